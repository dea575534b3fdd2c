"""Whether a service is ready, by its own account."""

import asyncio

from order_contract import probe


async def ready_problem(port: int, path: str = "/readyz") -> str | None:
    """None when the page on the port says so, else what is wrong in words."""
    return await asyncio.to_thread(probe.ready_problem, port, path=path)
