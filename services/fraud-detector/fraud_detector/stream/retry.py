"""Retrying while a dependency is unavailable: backoff with jitter, for as long as it makes sense."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fraud_detector.stream.ports import UnavailableError
from fraud_detector.stream.status import Check, Status

T = TypeVar("T")

FIRST_WAIT = 0.1
LONGEST_WAIT = 5.0
# A client may retry by itself without an end; a call that takes longer than this is reported as failing meanwhile.
SLOW_SECONDS = 10.0


async def until_available(
    call: Callable[[], Awaitable[T]], *, check: Check, status: Status, pointless: Callable[[], bool]
) -> T | None:
    """The result of `call`, repeated while it raises UnavailableError; None when it became `pointless` meanwhile.

    `status` knows at any time whether the check fails. Waits are drawn from 0 to a bound that doubles from
    FIRST_WAIT to LONGEST_WAIT seconds, so that members do not come back in step.
    """
    bound = FIRST_WAIT
    while True:
        slow = asyncio.get_running_loop().call_later(
            SLOW_SECONDS, status.away, check, f"no response for {SLOW_SECONDS:.0f} s"
        )
        try:
            result = await call()
        except UnavailableError as error:
            status.away(check, str(error))
        else:
            status.back(check)
            return result
        finally:
            slow.cancel()
        if pointless():
            return None
        await asyncio.sleep(random.uniform(0, bound))  # noqa: S311  (jitter)
        bound = min(2 * bound, LONGEST_WAIT)
