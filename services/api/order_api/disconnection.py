"""Work for a client that ends when the client hangs up."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

from order_api.problems.requests import CallerLeft

Result = TypeVar("Result")


async def disconnected(request: Request) -> None:
    """Returns when the client has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def while_connected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`. Cancels it, with the query that it waits for, and raises CallerLeft on a hang-up."""
    working = asyncio.create_task(work)
    watching = asyncio.create_task(disconnected(request))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise CallerLeft
        return working.result()
    finally:
        watching.cancel()
        working.cancel()
        # Until it has let go of its connection and its turn; how it ended then concerns nobody.
        await asyncio.gather(working, watching, return_exceptions=True)
