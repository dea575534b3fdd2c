"""Whether a service is ready, by its own account."""

import asyncio
from typing import Final

from order_platform import healthcheck

READY_SECONDS: Final = 120
"""Seconds that a process may take until it is ready. Generous: slow machines are waited for while the process lives."""


async def ready_problem(port: int, path: str = "/readyz") -> str | None:
    """None when the page on the port says so, else what is wrong in words."""
    return await asyncio.to_thread(healthcheck.ready_problem, port, path=path)
