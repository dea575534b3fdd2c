"""Hundreds of hostile clients: the API holds little for each, continues to respond, and closes their connections."""

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import psutil
import pytest

from order_api.app import MAX_BODY_BYTES
from order_api.http.connection_limits import ConnectionLimits
from order_api.http.request_head import MAX_HEAD_BYTES
from order_platform.settings import KafkaSettings
from tests.support.api import ApiProcess
from tests.support.waiting import until

pytestmark = pytest.mark.slow

NOWHERE = "postgresql://stranger@127.0.0.1:1/nothing"
CALLERS = 200
# Two to three times of what is seen with responses that are not read, the worst of these.
BYTES_EACH = 300_000

HEAD = b"GET /healthz HTTP/1.1\r\nHost: api\r\nX-Endless: " + b"x" * (MAX_HEAD_BYTES - 1_000)
BODY = b"POST /v1/session HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (
    MAX_BODY_BYTES
) + b" " * (MAX_BODY_BYTES - 1)
LARGE_BODY = (
    b"POST /v1/session HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\n"
    + (b"10000\r\n" + b" " * 65_536 + b"\r\n") * 16
)
UNREAD = b"GET /openapi.json HTTP/1.1\r\nHost: api\r\n\r\n" * 200


@pytest.mark.parametrize("sent", [HEAD, BODY, LARGE_BODY, UNREAD], ids=["head", "body", "large body", "unread answers"])
async def test_memory_stays_bounded(sent: bytes, tmp_path: Path) -> None:
    with ApiProcess(KafkaSettings(kafka="127.0.0.1:1"), NOWHERE, tmp_path / "log") as api:
        process = psutil.Process(api.process.pid)
        async with (
            AsyncExitStack() as stack,
            httpx.AsyncClient(base_url=api.url, trust_env=False, timeout=60) as polite,
        ):
            assert (await polite.get("/openapi.json")).status_code == 200
            before = process.memory_info().rss
            for _ in range(CALLERS):
                _, writer = await asyncio.open_connection("127.0.0.1", api.port)
                stack.callback(writer.close)
                writer.write(sent)  # as much as the other side takes; nothing is read
            for _ in range(20):
                assert (await polite.get("/healthz", timeout=30)).status_code == 200
            each = (process.memory_info().rss - before) / CALLERS
            assert each < BYTES_EACH, f"{each:,.0f} bytes for each caller"
        assert api.terminate() == 0
    assert "Traceback" not in api.log.read_text()


CHUNKED = b"POST /v1/session HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\n"
FLOODS = {
    "trailers": (CHUNKED + b"0\r\n", b"a: bbbbbbbbbbbbb\r\n" * 4096),
    "tiny trailers": (CHUNKED + b"0\r\n", b"a:\r\n" * 16_384),
    "long trailer": (CHUNKED + b"0\r\na: ", b"b" * 65_536),
    "chunk extension": (CHUNKED + b"1;", b"e" * 65_536),
    "tiny chunks": (CHUNKED, b"1\r\nx\r\n" * 10_000),
    "chunk size": (CHUNKED, b"0" * 65_536),
    "body of a GET": (HEAD[:-1000] + b"\r\nContent-Length: 999999999\r\n\r\n", b"x" * 65_536),
    "blank lines": (b"", b"\r\n" * 32_768),
    "header fields": (HEAD[:-1000] + b"\r\n", b"a:\r\n" * 16_384),
    "pipelined": (b"", b"GET /healthz HTTP/1.1\r\nHost: api\r\n\r\n" * 2_000),
    "pipelined documents": (b"", b"GET /openapi.json HTTP/1.1\r\nHost: api\r\n\r\n" * 2_000),
}
MOST_BYTES = 300_000_000
FLOODERS = 300


@pytest.fixture(scope="module")
def flooded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    """One process for slow heads and floods: what it keeps of one counts in the next, and it ends as it should."""
    log = tmp_path_factory.mktemp("flooded") / "log"
    with ApiProcess(KafkaSettings(kafka="127.0.0.1:1"), NOWHERE, log) as api:
        yield api
        assert api.terminate() == 0


async def test_a_head_that_does_not_come_is_not_waited_for(flooded: ApiProcess) -> None:
    process = psutil.Process(flooded.process.pid)

    def held() -> int:
        return sum(held.status == psutil.CONN_ESTABLISHED for held in process.net_connections("tcp"))

    async with AsyncExitStack() as stack:
        for _ in range(CALLERS):
            _, writer = await asyncio.open_connection("127.0.0.1", flooded.port)
            stack.callback(writer.close)
            with contextlib.suppress(ConnectionError):
                writer.write(b"GET / HTTP/1.1\r\nX-Slow: ")
        await until(lambda: held() >= CALLERS, "the API to hold them")
        await until(lambda: held() == 0, "the API to let go", within=6 * ConnectionLimits().head_seconds)


async def is_alive(polite: httpx.AsyncClient) -> bool:
    """Whether the liveness probe is answered, on a new connection when the idle one was being closed."""
    try:
        response = await polite.get("/healthz", timeout=30)
    except httpx.RemoteProtocolError:
        response = await polite.get("/healthz", timeout=30)
    return response.status_code == 200


@pytest.mark.parametrize("flood", FLOODS)
async def test_floods_keep_it_small_and_awake(flood: str, flooded: ApiProcess) -> None:
    """Many clients that send a part without end, and read nothing."""
    first, more = FLOODS[flood]
    process = psutil.Process(flooded.process.pid)

    async def send_all() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", flooded.port)
        try:
            with contextlib.suppress(ConnectionError):
                writer.write(first)
                for _ in range(100):
                    writer.write(more)
                    await writer.drain()  # no further than the other side takes it
        finally:
            writer.transport.abort()

    async with httpx.AsyncClient(base_url=flooded.url, trust_env=False, timeout=60) as polite:
        flooding = [asyncio.create_task(send_all()) for _ in range(FLOODERS)]
        most = 0
        try:
            for _ in range(10):
                assert await is_alive(polite)
                most = max(most, process.memory_info().rss)
                await asyncio.sleep(0.1)
        finally:
            for task in flooding:
                task.cancel()
            await asyncio.gather(*flooding, return_exceptions=True)
    assert most < MOST_BYTES, f"{most:,} bytes"
    assert "Traceback" not in flooded.log.read_text()
