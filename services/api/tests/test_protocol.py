"""Callers that send or read too slowly, too much, or nonsense, over real connections."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import Request, Response

from order_api.app import MAX_BODY_BYTES, create_app
from order_api.http.connection_limits import ConnectionLimits
from order_api.http.protocol import BoundedHttpProtocol
from order_api.http.request_head import MAX_HEAD_BYTES
from order_api.settings import ApiSettings
from tests.support.raw_http import Api, serving_raw
from tests.support.waiting import until

pytestmark = pytest.mark.slow

GET = b"GET /healthz HTTP/1.1\r\nHost: api\r\n"
LARGE = 8_000_000


@pytest.fixture
async def api(lag: Any) -> AsyncIterator[Api]:
    """The API, and a route whose answer is large and one that tells what was sent to it."""
    settings = ApiSettings(api_max_connections=5)
    app = create_app(settings, lag.open)

    @app.get("/large")
    async def large() -> Response:
        return Response(b"x" * LARGE)

    @app.post("/echo")
    async def echo(request: Request) -> Response:
        return Response(str(len(await request.body())))

    async with serving_raw(app, settings) as api:
        yield api


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : api\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: api\r\nX: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: api\r\nX: a\r\n b\r\nContent-Length: nonsense\r\n\r\n",
        "GET /é HTTP/1.1\r\nHost: api\r\n\r\n".encode(),
        b"CONNECT db:5432 HTTP/1.1\r\nHost: api\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: api\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: api\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"POST /echo HTTP/1.1\r\nHost: api\r\nContent-Length: -5\r\n\r\nhello",
        b"POST /echo HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\nhow many\r\n",
    ],
)
async def test_invalid_requests_are_rejected(api: Api, sent: bytes) -> None:
    async with api.call() as caller:
        await caller.send(sent)
        assert await caller.problem() == (400, "malformed-request")
        assert await caller.is_hung_up()


async def test_nonsense_is_no_answer_to_an_earlier_request(api: Api) -> None:
    async with api.call() as caller:
        await caller.send(GET + b"\r\n" + b"nonsense\r\n\r\n")
        assert await caller.is_hung_up()


async def test_an_upgrade_is_not_made(api: Api) -> None:
    async with api.call() as caller:
        for _ in range(2):
            await caller.send(GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n")
            assert (await caller.answer())[0] == 200


@pytest.mark.parametrize(
    "head",
    [
        GET + b"X: " + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n",
        b"GET /healthz?" + b"x" * MAX_HEAD_BYTES + b" HTTP/1.1\r\nHost: api\r\n\r\n",
        GET + b"".join(b"X-%d: 1\r\n" % number for number in range(MAX_HEAD_BYTES // 4)) + b"\r\n",
        GET + b"X: " + b"x" * 40 * MAX_HEAD_BYTES,  # without an end
        b"GET /" + b"x" * 40 * MAX_HEAD_BYTES,
    ],
    ids=["header", "address", "many headers", "endless header", "endless address"],
)
async def test_heads_that_are_too_large(api: Api, head: bytes) -> None:
    async with api.call() as caller:
        sending = asyncio.create_task(caller.send(head))
        assert await caller.problem() == (431, "head-too-large")
        assert await caller.is_hung_up()
        await sending


async def test_a_large_head_that_is_not_too_large(api: Api) -> None:
    async with api.call() as caller:
        for _ in range(3):  # each on its own
            await caller.send(GET + b"X: " + b"x" * (MAX_HEAD_BYTES - 100) + b"\r\n\r\n")
            assert (await caller.answer())[0] == 200


async def test_many_requests_at_once_are_no_large_head(api: Api) -> None:
    requests = 2 * MAX_HEAD_BYTES // len(GET)
    async with api.call() as caller:
        await caller.send((GET + b"\r\n") * requests + GET)
        for _ in range(requests):
            assert (await caller.answer())[0] == 200
        await caller.send(b"\r\n")
        assert (await caller.answer())[0] == 200


@pytest.mark.parametrize("chunked", [False, True])
async def test_bodies_are_bounded(api: Api, chunked: bool) -> None:
    def post(length: int) -> bytes:
        head = b"POST /echo HTTP/1.1\r\nHost: api\r\n"
        if chunked:
            return head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (length, b"x" * length)
        return head + b"Content-Length: %d\r\n\r\n" % length + b"x" * length

    async with api.call() as caller:
        await caller.send(post(MAX_BODY_BYTES))
        assert (await caller.answer())[2] == str(MAX_BODY_BYTES).encode()
        await caller.send(post(MAX_BODY_BYTES + 1))
        assert await caller.problem() == (413, "body-too-large")
        await caller.send(post(LARGE))  # the rest of it is never read
        assert await caller.problem() == (413, "body-too-large")
        await caller.send(post(1))
        assert (await caller.answer())[0] == 200


async def test_a_body_with_too_large_a_length_need_not_be_sent(api: Api) -> None:
    async with api.call() as caller:
        await caller.send(b"POST /echo HTTP/1.1\r\nHost: api\r\nContent-Length: 99999999999\r\n\r\n")
        assert await caller.problem() == (413, "body-too-large")


async def test_heads_have_a_deadline(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedHttpProtocol, "limits", ConnectionLimits(head_seconds=1))
    async with api.call() as silent, api.call() as slow, api.call() as second:
        await second.send(GET + b"\r\n")
        assert (await second.answer())[0] == 200
        await second.send(GET)
        for byte in GET[:10]:
            await slow.send(bytes([byte]))
            await asyncio.sleep(0.01)
        assert await slow.problem() == (408, "request-timeout")
        assert await second.problem() == (408, "request-timeout")
        assert await silent.is_hung_up()
        assert await slow.is_hung_up()
    await until(lambda: api.connections == 0, "the server to let go")


async def test_bodies_have_a_deadline(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedHttpProtocol, "limits", ConnectionLimits(body_seconds=0.3))
    async with api.call() as slow, api.call() as unread:
        await slow.send(b"POST /echo HTTP/1.1\r\nHost: api\r\nContent-Length: 1000\r\n\r\nx")
        await unread.send(GET + b"Content-Length: 1000\r\n\r\nx")
        assert (await unread.answer())[0] == 200
        assert await slow.problem() == (408, "request-timeout")
        assert await slow.is_hung_up()
        assert await unread.problem() == (408, "request-timeout")
    await until(lambda: api.connections == 0, "the server to let go")


@pytest.mark.parametrize("ending", [b"", b"Connection: close\r\n"])
async def test_answers_have_to_be_read(api: Api, monkeypatch: pytest.MonkeyPatch, ending: bytes) -> None:
    monkeypatch.setattr(BoundedHttpProtocol, "limits", ConnectionLimits(reading_seconds=0.2))
    with socket.socket() as idle:
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        idle.connect(("127.0.0.1", api.port))
        idle.sendall(b"GET /large HTTP/1.1\r\nHost: api\r\n" + ending + b"\r\n")
        await until(lambda: api.connections == 1, "the connection to be made")
        await until(lambda: api.connections == 0, "the server to let go")


async def test_answers_may_be_read_slowly(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedHttpProtocol, "limits", ConnectionLimits(reading_seconds=1))
    began = time.monotonic()
    async with api.call() as slow:
        await slow.send(b"GET /large HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n")
        await slow.reader.readuntil(b"\r\n\r\n")
        received = 0
        while piece := await slow.reader.read(LARGE // 100):
            received += len(piece)
            await asyncio.sleep(0.03)
        assert received == LARGE
    assert time.monotonic() - began > 2, "too quick to prove anything"


async def test_connections_are_bounded(api: Api) -> None:
    async with contextlib.AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(api.call()) for _ in range(5)]
        for caller in callers:
            await caller.send(GET + b"\r\n")
            assert (await caller.answer())[0] == 200
        async with api.call() as one_more:
            assert await one_more.problem() == (503, "too-many-connections")
            assert await one_more.is_hung_up()
        await callers[0].send(GET + b"\r\n")
        assert (await callers[0].answer())[0] == 200
    await until(lambda: api.connections == 0, "the server to let go")
    async with api.call() as caller:
        await caller.send(GET + b"\r\n")
        assert (await caller.answer())[0] == 200


@pytest.mark.parametrize("large", [False, True])
async def test_what_a_closed_connection_held_is_released_at_once(api: Api, large: bool) -> None:
    """Not only when garbage is collected: clients that connect again and again would fill the memory by then."""
    fields = b"".join(b"X-%d: %s\r\n" % (n, b"a" * 700) for n in range(90 if large else 30))
    async with api.call() as client:
        await client.send(GET + fields + b"\r\n")
        status, _, _ = await client.answer()
        assert status == (431 if large else 200)
        held = list(api.server.server_state.connections)
    await until(lambda: api.connections == 0, "the connection to close")
    for protocol in held:
        assert isinstance(protocol, BoundedHttpProtocol)
        left = {name: vars(protocol)[name] for name in ("headers", "url", "scope", "parser")}
        assert left == {"headers": [], "url": b"", "scope": None, "parser": None}
