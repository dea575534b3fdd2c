"""The live list: decisions of a stream, gathered for a moment each, so that a browser draws few changes a second.

At most `DRAWN_PER_SECOND` decisions are drawn a second, flagged ones first; the others are counted, none is left out.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, NamedTuple

import orjson

from order_api.decisions.schemas import DECISION_EVENT, RESET_EVENT, StreamEvent, read_events

GATHER_SECONDS: Final = 0.05
DRAWN_PER_SECOND: Final = 50
DRAWN_AT_ONCE: Final = int(DRAWN_PER_SECOND * GATHER_SECONDS)
# More than comes in a moment at full speed; a reader that catches up is held here.
_MOST_GATHERED: Final = 5_000


class Moment(NamedTuple):
    """What came in one moment: its last position, how many decisions, which of them are drawn, the newest first."""

    event_id: str
    decisions: int
    flagged: int
    drawn: Sequence[dict[str, Any]]
    reset: str | None = None
    """Why the stream could not continue where it was."""


async def gather_moments(chunks: AsyncIterator[bytes], seconds: float = GATHER_SECONDS) -> AsyncIterator[Moment]:
    """Moments of a stream, as `DecisionStreams.stream` sends it; ends with it.

    What comes after a pause is sent at once, what follows is gathered: so there are `seconds` from one to the next.
    """
    queue: asyncio.Queue[list[StreamEvent] | None] = asyncio.Queue(maxsize=100)

    async def read() -> None:
        try:
            async for chunk in chunks:
                await queue.put(read_events(chunk))
        finally:
            await queue.put(None)

    reading = asyncio.create_task(read())
    try:
        ended, following = False, 0.0
        while not ended:
            events = await queue.get()
            gathered: list[StreamEvent] = []
            while events is not None:
                gathered += events
                if len(gathered) >= _MOST_GATHERED:
                    break
                try:
                    async with asyncio.timeout_at(following):
                        events = await queue.get()
                except TimeoutError:
                    break
            ended = events is None
            if gathered and (moment := make_moment(gathered)) is not None:
                following = asyncio.get_running_loop().time() + seconds
                yield moment
    finally:
        reading.cancel()
        await asyncio.wait([reading])


def make_moment(events: Sequence[StreamEvent]) -> Moment | None:
    """What is sent of some events; None when they move no position."""
    event_id = next((event.event_id for event in reversed(events) if event.event_id), None)
    if event_id is None:
        return None
    reset = next((event.data for event in events if event.kind == RESET_EVENT), None)
    decisions = [orjson.loads(event.data) for event in events if event.kind == DECISION_EVENT]
    flagged = [decision for decision in decisions if decision["outcome"] != "approve"]
    chosen = flagged[-DRAWN_AT_ONCE:]
    if room := DRAWN_AT_ONCE - len(chosen):
        approved = [decision for decision in decisions if decision["outcome"] == "approve"]
        chosen = [*approved[-room:], *chosen]
    drawn = sorted(chosen, key=lambda decision: decision["decided_at"], reverse=True)
    reason = None if reset is None else orjson.loads(reset)["reason"]
    return Moment(event_id, len(decisions), len(flagged), drawn, reason)
