"""Two thousand callers that wait for orders, each on a connection of their own, at a served API."""

import asyncio
import re
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
import pytest

from order_api.auth.keys import create_key
from order_platform.settings import KafkaSettings
from tests.support.api import ApiProcess
from tests.support.waiting import until

pytestmark = pytest.mark.integration

CALLERS = 2_000
# A third of it is seen; a copy of the request or a thread for each caller would be beyond it.
BYTES_EACH = 100_000


@pytest.fixture
def files() -> Iterator[None]:
    """A file for each connection; the usual soft limit of 1,024 is in the way."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CALLERS + 1_000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this system allows {hard} open files, and {wanted} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@asynccontextmanager
async def waiting(api: ApiProcess, key: str, order_id: str) -> AsyncIterator[asyncio.StreamReader]:
    """A client that waits for an order; its answer can be read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    request = f"GET /v1/orders/{order_id}?wait=30s HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {key}\r\n\r\n"
    writer.write(request.encode())
    try:
        yield reader
    finally:
        writer.close()


async def count_waiting(api: ApiProcess) -> int:
    """How many requests wait, as the API's metrics say."""
    # Two thousand connections are read first: on a busy machine that took longer than httpx' usual five seconds.
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=60) as client:
        metrics = (await client.get(f"{api.url}/metrics")).text
    match = re.search(r"^orderwatch_api_waiting_requests ([0-9.]+)$", metrics, re.MULTILINE)
    assert match is not None
    return int(float(match[1]))


async def test_they_wait_in_bounded_memory_and_all_are_answered(
    files: None, connection: asyncpg.Connection, database_url: str, store: Any, order: Any, *, tmp_path: Path
) -> None:
    _, key = await create_key(connection, "many", "read")
    with ApiProcess(KafkaSettings(kafka="127.0.0.1:1"), database_url, tmp_path / "log") as api:
        process = psutil.Process(api.process.pid)

        async def are_waiting(callers: int) -> bool:
            return await count_waiting(api) == callers

        async with AsyncExitStack() as stack:
            await stack.enter_async_context(waiting(api, key, "first"))
            await until(lambda: are_waiting(1), "the first caller to wait")
            before = process.memory_info().rss
            readers = [
                await stack.enter_async_context(waiting(api, key, f"o{number % 500}")) for number in range(CALLERS)
            ]
            await until(lambda: are_waiting(CALLERS + 1), "all callers to wait")
            each = (process.memory_info().rss - before) / CALLERS
            assert each < BYTES_EACH, f"{each:,.0f} bytes for each caller"
            await store(*(order(f"o{number}", source_offset=number) for number in range(500)))
            heads = await asyncio.gather(*(reader.readuntil(b"\r\n\r\n") for reader in readers))
            assert {head.split(b"\r\n", 1)[0] for head in heads} == {b"HTTP/1.1 200 OK"}
        assert api.terminate() == 0
    assert "Traceback" not in api.log.read_text()
