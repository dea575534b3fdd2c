"""Results of a replay: per ruleset version, how many orders were decided again, differ, or could not be decided."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from decision_engine.replay.comparison import Difference
from decision_engine.replay.orders import DecidedOrder, Partition
from decision_engine.replay.replayer import NotReplayableError, Reason, Replayer


@dataclass(slots=True)
class VersionResult:
    """The orders of one ruleset version: those decided again, and of them those that differ."""

    decided: int = 0
    differing: int = 0
    not_decided: Counter[Reason] = field(default_factory=Counter)

    @property
    def orders(self) -> int:
        return self.decided + self.not_decided.total()

    def add(self, other: "VersionResult") -> None:
        self.decided += other.decided
        self.differing += other.differing
        self.not_decided += other.not_decided


class DifferingOrder(NamedTuple):
    """An order whose decision differs when it is made again."""

    order_id: str
    partition: Partition
    offset: int
    ruleset_version: str
    differences: Sequence[Difference]


@dataclass(slots=True)
class ReplayResult:
    """The results by ruleset version."""

    versions: dict[str, VersionResult] = field(default_factory=dict)
    incomplete: Sequence[date] = ()
    """Dates of the range of which the source has not the same orders as Postgres."""

    @property
    def total(self) -> VersionResult:
        total = VersionResult()
        for each in self.versions.values():
            total.add(each)
        return total

    @property
    def agrees(self) -> bool:
        """Whether there are orders, all of the range were decided again, and none differs."""
        total = self.total
        return total.decided > 0 and not total.differing and not total.not_decided and not self.incomplete

    def add(self, other: "ReplayResult") -> None:
        """Add the results of other orders."""
        for version, each in other.versions.items():
            self.of(version).add(each)

    def of(self, version: str) -> VersionResult:
        """The result of a version, to count on."""
        return self.versions.setdefault(version, VersionResult())


def replay_order(replayer: Replayer, order: DecidedOrder, result: ReplayResult) -> DifferingOrder | None:
    """Decide an order again and count it; returns it when it differs."""
    counts = result.of(order.decision.ruleset_version)
    try:
        differences = replayer.compare(order)
    except NotReplayableError as error:
        counts.not_decided[error.reason] += 1
        return None
    counts.decided += 1
    if not differences:
        return None
    counts.differing += 1
    return DifferingOrder(
        order.event.order_id, order.partition, order.offset, order.decision.ruleset_version, differences
    )
