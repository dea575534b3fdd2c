"""Work for a client that ends when the client hangs up."""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from fastapi import Request

from order_api.problems.requests import CallerLeft

Result = TypeVar("Result")

# Most work is done by then, and spared the watching.
UNWATCHED_SECONDS: Final = 0.02


async def disconnected(request: Request) -> None:
    """Returns when the client has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def while_connected(request: Request, work: Awaitable[Result]) -> Result:
    """The result of `work`. Cancels it, with the query that it waits for, and raises CallerLeft on a hang-up."""
    loop = asyncio.get_running_loop()
    watching: asyncio.Task[None] | None = None

    def watch() -> None:
        nonlocal watching
        watching = loop.create_task(disconnected(request))
        watching.add_done_callback(hung_up)

    def hung_up(watched: "asyncio.Task[None]") -> None:
        if not watched.cancelled():
            connected.reschedule(loop.time())

    starting = loop.call_later(UNWATCHED_SECONDS, watch)
    try:
        async with asyncio.timeout(None) as connected:
            return await work
    except TimeoutError:
        if connected.expired():
            raise CallerLeft from None
        raise
    finally:
        starting.cancel()
        if watching is not None:
            watching.cancel()
