"""How fast stored orders are loaded: at full speed by a detector that starts, with rests beside deciding."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Pace:
    """So many rows at once, then a rest `rest` times as long as they took, unless there is nothing else to do."""

    rows_at_once: int
    rest: float = 0.0
    is_idle: Callable[[], bool] = lambda: False

    async def pause(self, since: float) -> None:
        """Give the event loop back after work that began at `since`, by `time.perf_counter`."""
        worked = time.perf_counter() - since
        await asyncio.sleep(0 if self.is_idle() else worked * self.rest)


FULL_SPEED: Final = Pace(10_000)


def beside_deciding(is_idle: Callable[[], bool]) -> Pace:
    """A pace at which orders that are being decided wait for a few milliseconds at most."""
    # Time and not CPU is what rests are measured by: on a machine that is busy they become longer by themselves.
    return Pace(100, rest=3.0, is_idle=is_idle)
