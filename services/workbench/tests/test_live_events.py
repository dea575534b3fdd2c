"""Moments of the live list: every decision is counted once, few are drawn, flagged ones first."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson

from order_api.decisions.schemas import decision_event, position_event, read_events, reset_event, retry_field
from order_workbench.now.live_events import DRAWN_AT_ONCE, gather_moments, make_moment


def _decision(number: int, outcome: str = "approve") -> bytes:
    document: dict[str, Any] = {
        "order_id": f"o-{number}",
        "outcome": outcome,
        "decided_at": f"2026-11-22T03:15:{number % 60:02}Z",
    }
    return decision_event((number + 1,), orjson.dumps(document))


def test_draws_flagged_decisions_first_and_counts_the_others() -> None:
    chunk = b"".join(_decision(number, "review" if number == 7 else "approve") for number in range(40))
    moment = make_moment(read_events(chunk))
    assert moment is not None
    assert (moment.event_id, moment.decisions, moment.flagged) == ("0:40", 40, 1)
    assert len(moment.drawn) == DRAWN_AT_ONCE
    assert "o-7" in {decision["order_id"] for decision in moment.drawn}
    assert moment.drawn[0]["order_id"] == "o-39"


def test_moves_the_position_without_decisions_and_says_what_is_missing() -> None:
    assert make_moment(read_events(retry_field())) is None
    moved = make_moment(read_events(position_event((5, 6))))
    assert moved is not None
    assert (moved.event_id, moved.decisions, moved.reset) == ("0:5,1:6", 0, None)
    reset = make_moment(read_events(reset_event("gone by retention", (9,))))
    assert reset is not None
    assert (reset.event_id, reset.reset) == ("0:9", "gone by retention")


async def test_moments_hold_every_decision_of_a_stream_once() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield retry_field()
        for start in range(0, 100, 10):
            yield b"".join(map(_decision, range(start, start + 10)))

    moments = [moment async for moment in gather_moments(chunks(), seconds=0.001)]
    assert sum(moment.decisions for moment in moments) == 100
    assert moments[-1].event_id == "0:100"


async def test_what_comes_after_a_pause_is_sent_at_once_and_what_follows_is_gathered() -> None:
    seen = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        yield _decision(0)
        await seen.wait()
        yield _decision(1)
        yield _decision(2)

    moments = gather_moments(chunks(), seconds=3600)
    assert (await anext(moments)).decisions == 1
    seen.set()
    assert [moment.decisions async for moment in moments] == [2]
