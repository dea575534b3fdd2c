"""How far a group has finished is recorded before it is committed, and committed when it cannot be recorded."""

from collections.abc import Mapping
from typing import cast

import pytest

from fraud_detector.stream.health import HealthState
from fraud_detector.stream.metrics import DetectorMetrics
from fraud_detector.stream.offset_committer import OffsetCommitter
from fraud_detector.stream.ports import DecisionStore, DependencyUnavailableError, OrderConsumer


class Steps:
    """A consumer and a store that write down what is asked of them."""

    def __init__(self, *, is_stored: bool) -> None:
        self.seen: list[tuple[str, dict[int, int]]] = []
        self._is_stored = is_stored

    async def record_positions(self, next_offsets: Mapping[int, int]) -> None:
        if not self._is_stored:
            raise DependencyUnavailableError("the database is unavailable")
        self.seen.append(("recorded", dict(next_offsets)))

    async def commit(self, next_offsets: Mapping[int, int]) -> None:
        self.seen.append(("committed", dict(next_offsets)))


@pytest.mark.parametrize(("is_stored", "expected"), [(True, ["recorded", "committed"]), (False, ["committed"])])
async def test_what_is_committed_is_recorded_first(*, is_stored: bool, expected: list[str]) -> None:
    steps = Steps(is_stored=is_stored)
    committer = OffsetCommitter(
        cast("OrderConsumer", steps),
        cast("DecisionStore", steps),
        committed=lambda _: None,
        metrics=DetectorMetrics(),
        health=HealthState(lambda: 0.0),
    )
    committer.advance([{0: 7, 3: 2}], {})
    await committer.commit()
    assert steps.seen == [(step, {0: 7, 3: 2}) for step in expected]
