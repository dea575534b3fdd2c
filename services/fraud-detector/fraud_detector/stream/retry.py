"""Trying again while a dependency is away: backoff with jitter, for as long as it makes sense."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fraud_detector.stream.ports import UnavailableError
from fraud_detector.stream.status import Dependency, Status

T = TypeVar("T")

FIRST_WAIT = 0.1
LONGEST_WAIT = 5.0


async def until_available(
    call: Callable[[], Awaitable[T]], *, dependency: Dependency, status: Status, pointless: Callable[[], bool]
) -> T | None:
    """The result of `call`, repeated while it raises UnavailableError; None when it became `pointless` meanwhile.

    `status` knows at any time whether the dependency is away. Waits are drawn from 0 to a bound that doubles from
    FIRST_WAIT to LONGEST_WAIT seconds, so that members do not come back in step.
    """
    bound = FIRST_WAIT
    while True:
        try:
            result = await call()
        except UnavailableError as error:
            status.away(dependency, str(error))
        else:
            status.back(dependency)
            return result
        if pointless():
            return None
        await asyncio.sleep(random.uniform(0, bound))  # noqa: S311  (jitter)
        bound = min(2 * bound, LONGEST_WAIT)
