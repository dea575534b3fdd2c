"""HTTP/1.1 part by part, over real connections: each has a bound, and no part is taken for another."""

import asyncio
import json
from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import Any

import pytest
from fastapi import Request
from sse_starlette import EventSourceResponse
from starlette.responses import JSONResponse, Response, StreamingResponse

from order_api.app import create_app
from order_api.http.connection_limits import MAX_BLANK_BYTES, MAX_FRAMING_BYTES, PIECE_BYTES, ConnectionLimits
from order_api.http.protocol import BoundedHttpProtocol
from order_api.http.request_head import MAX_FIELDS
from order_api.settings import ApiSettings
from tests.support.raw_http import Api, Caller, serving_raw
from tests.support.waiting import until

pytestmark = pytest.mark.slow

GET = b"GET /healthz HTTP/1.1\r\nHost: api\r\n"
CHUNKED = b"POST /echo HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\n"
LINE = b"a: bbbbbbbbbbbbb\r\n"


@pytest.fixture
async def api(lag: Any) -> AsyncIterator[Api]:
    """The API, and routes that show what reaches an application."""
    settings = ApiSettings(api_max_connections=10)
    app = create_app(settings, lag.open)

    @app.api_route("/echo", methods=["GET", "POST"])
    async def echo(request: Request) -> Response:
        early = request.headers.items()
        body = await request.body()
        await asyncio.sleep(0)
        late = [(name.decode(), value.decode()) for name, value in request.scope["headers"]]
        return JSONResponse({"early": early, "late": late, "body": body.decode(), "path": request.url.path})

    @app.get("/pieces")
    async def pieces() -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield b"one, "
            yield b"two"

        return StreamingResponse(body(), headers={"Connection": "keep-alive"})

    @app.get("/events")
    async def events() -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield b"data: one\n\n"
            yield b"data: two\n\n"

        return EventSourceResponse(body())

    @app.get("/slow")
    async def slow() -> str:
        await asyncio.sleep(0.2)
        return "slow"

    async with serving_raw(app, settings) as api:
        yield api


async def echoed(caller: Caller) -> dict[str, Any]:
    """What the application saw of a request."""
    status, _, body = await caller.answer()
    assert status == 200, body
    seen: dict[str, Any] = json.loads(body)
    return seen


@pytest.mark.parametrize("slowly", [False, True])
async def test_trailers_do_not_reach_the_application(api: Api, slowly: bool) -> None:
    trailers = b"Authorization: Bearer KEY\r\nHost: evil\r\nSec-Fetch-Site: same-origin\r\nCookie: a=b\r\n"
    async with api.call() as caller:
        for piece in (CHUNKED, b"2\r\nhi\r\n0\r\n" + trailers[:30], trailers[30:] + b"\r\n"):
            await caller.send(piece)
            await asyncio.sleep(0.05 if slowly else 0)
        seen = await echoed(caller)
        assert seen["body"] == "hi"
        await caller.send(b"GET /echo HTTP/1.1\r\nHost: api\r\n\r\n")  # nor do they become those of the next one
        following = await echoed(caller)
    assert seen["early"] == seen["late"] == [["host", "api"], ["transfer-encoding", "chunked"]]
    assert following["late"] == [["host", "api"]]


@pytest.mark.parametrize(
    ("sent", "refused"),
    [
        (CHUNKED + b"0\r\n" + LINE * (MAX_FIELDS + 1) + b"\r\n", (431, "head-too-large")),
        (CHUNKED + b"0\r\n" + b"a:\r\n" * 100_000, (431, "head-too-large")),
        (CHUNKED + b"0\r\na: " + b"b" * 200_000, (400, "malformed-request")),
        (CHUNKED + b"0\r\n" + b"a" * 200_000, (400, "malformed-request")),
        (CHUNKED + b"0;" + b"a" * 200_000, (400, "malformed-request")),
        (CHUNKED + b"1;a=b;c\r\nx\r\n" * 20_000, (400, "malformed-request")),
        (CHUNKED + b"1\r\nx\r\n" * 20_000, (400, "malformed-request")),
        (CHUNKED + b"0" * 200_000, (400, "malformed-request")),
        (CHUNKED + b"fffffffffffffffff\r\n", (400, "malformed-request")),
        (b"\r\n" * 50_000, (400, "malformed-request")),
        (b"\n" * 50_000, (400, "malformed-request")),
        (GET + b"a:\r\n" * (MAX_FIELDS + 1) + b"\r\n", (431, "head-too-large")),
        (GET + b"a:\r\n" * 16_000, (431, "head-too-large")),
        (GET + b"a" * 200_000, (431, "head-too-large")),
        (b"G" * 200_000, (400, "malformed-request")),
        (b"GET /" + b"a" * 200_000, (431, "head-too-large")),
        (b"GET / HTTP/1.1" + b" " * 200_000, (400, "malformed-request")),
        (GET + b"a:" + b" " * 200_000, (431, "head-too-large")),
    ],
    ids=[
        "trailers", "tiny trailers", "long trailer", "trailer name", "chunk extension", "chunk extensions",
        "tiny chunks", "chunk size digits", "chunk size", "blank lines", "bare LFs", "fields", "tiny fields",
        "field name", "method", "target", "after the version", "blanks in a field",
    ],
)  # fmt: skip
async def test_every_part_is_bounded(api: Api, sent: bytes, refused: tuple[int, str]) -> None:
    async with api.call() as caller:
        sending = asyncio.create_task(caller.send(sent))
        assert await caller.problem() == refused
        assert await caller.is_hung_up()
        await sending
    await until(lambda: BoundedHttpProtocol.held.total == 0, "the server to let go")


async def test_blank_lines_between_requests_are_bounded(api: Api) -> None:
    async with api.call() as caller:
        for _ in range(3):
            await caller.send(b"\r\n\r\n" + GET + b"\r\n")
            assert (await caller.answer())[0] == 200
        await caller.send(b"\r\n" * (MAX_BLANK_BYTES + PIECE_BYTES))
        assert await caller.problem() == (400, "malformed-request")
        assert await caller.is_hung_up()


async def test_bounds_are_for_each_request(api: Api) -> None:
    async with api.call() as caller:
        for _ in range(4):
            await caller.send(CHUNKED + b"1;ext\r\nx\r\n" * (MAX_FRAMING_BYTES // 20) + b"0\r\n" + LINE * 50 + b"\r\n")
            assert len((await echoed(caller))["body"]) == MAX_FRAMING_BYTES // 20


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/0.9\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        b"GET /#a HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
        GET + b"X: a\r\n b\r\n\r\n",
        GET + b"X: a\r\n\tb\r\n\r\n",
        GET + b": a\r\n\r\n",
        GET + b"X\r\n\r\n",
        GET + b" X: a\r\n\r\n",
        GET + b"X: a\x01b\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
        GET + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        GET + b"Content-Length: 5, 5\r\n\r\nhello",
        GET + b"Content-Length: +5\r\n\r\nhello",
        GET + b"Content-Length: 0x5\r\n\r\nhello",
        GET + b"Content-Length:\r\n\r\n",
        GET + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        GET + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        GET + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        GET + b"Transfer-Encoding: identity\r\n\r\n",
        b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        CHUNKED.replace(b"\r\n\r\n", b"\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n") + b"0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\nhello",
    ],
)
async def test_what_the_grammar_does_not_have(api: Api, sent: bytes) -> None:
    async with api.call() as caller:
        await caller.send(sent)
        assert await caller.problem() == (400, "malformed-request")
        assert await caller.is_hung_up()


@pytest.mark.parametrize("sent", [b"5 \r\nhello\r\n", b"5\nhello\r\n", b"5\r\nhelloXX", b"-5\r\nhello\r\n", b"\r\n"])
async def test_chunks_that_are_none(api: Api, sent: bytes) -> None:
    async with api.call() as caller:
        await caller.send(CHUNKED + sent)
        assert await caller.problem() == (400, "malformed-request")
        assert await caller.is_hung_up()


async def test_expectations(api: Api) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: api\r\nContent-Length: 2\r\nExpect: "
    async with api.call() as caller:
        await caller.send(head + b"100-continue\r\n\r\n")
        assert await caller.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await caller.send(b"hi")
        assert (await echoed(caller))["body"] == "hi"
        await caller.send(head + b"the-unexpected\r\n\r\n")
        assert await caller.problem() == (417, "expectation-failed")


async def test_a_client_of_http_1_0_expects_nothing(api: Api) -> None:
    async with api.call() as caller:
        await caller.send(b"POST /echo HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nhi")
        assert (await echoed(caller))["body"] == "hi"


async def test_an_absolute_target(api: Api) -> None:
    async with api.call() as caller:
        await caller.send(b"GET http://other:81/echo HTTP/1.1\r\nHost: api\r\n\r\n")
        seen = await echoed(caller)
    assert (seen["path"], seen["late"]) == ("/echo", [["host", "other:81"]])


async def test_requests_behind_an_upgrade_are_answered(api: Api) -> None:
    async with api.call() as caller:
        await caller.send((GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + GET + b"\r\n") * 3)
        for _ in range(6):
            assert (await caller.answer())[0] == 200


@pytest.mark.parametrize("path", [b"/healthz", b"/pieces", b"/events", b"/nope"])
async def test_http_1_0(api: Api, path: bytes) -> None:
    async with api.call() as caller:
        await caller.send(b"GET %b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" % path)
        received = await caller.reader.read()
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert [line for line in lines if line.startswith(b"connection:")] == [b"connection: close"]
    assert b"transfer-encoding" not in head.lower()
    if path == b"/pieces":
        assert body == b"one, two"
    elif path == b"/events":
        assert body == b"data: one\n\ndata: two\n\n"
    else:
        assert b"content-length: %d" % len(body) in lines


async def test_the_connection_is_not_the_applications(api: Api) -> None:
    async with api.call() as caller:
        await caller.send(b"GET /pieces HTTP/1.1\r\nHost: api\r\n\r\n")
        received = await caller.reader.readuntil(b"0\r\n\r\n")
        assert b"connection:" not in received.lower()
        assert b"5\r\none, \r\n3\r\ntwo\r\n" in received


async def test_few_requests_are_parsed_ahead(api: Api) -> None:
    async with api.call() as caller:
        await caller.send(b"GET /slow HTTP/1.1\r\nHost: api\r\n\r\n" + (GET + b"\r\n") * 3_000)
        await until(lambda: api.connections == 1, "the connection to be made")
        [connection] = api.server.server_state.connections
        await until(lambda: bool(connection.pipeline), "requests to be queued")  # type: ignore[union-attr]
        assert len(connection.pipeline) < PIECE_BYTES / len(GET)  # type: ignore[union-attr]
        for _ in range(3_001):
            assert (await caller.answer())[0] == 200


async def test_bodies_and_heads_of_all_connections_are_bounded(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedHttpProtocol.held, "limit", 50_000)
    async with api.call() as first, api.call() as second, api.call() as polite:
        await first.send(GET + b"X: " + b"x" * 30_000)
        await until(lambda: BoundedHttpProtocol.held.total > 29_000, "the head to be held")
        await second.send(GET + b"X: " + b"x" * 30_000)
        assert await second.problem() == (503, "too-much-held")
        assert await second.is_hung_up()
        await polite.send(GET + b"\r\n")
        assert (await polite.answer())[0] == 200
        await first.send(b"\r\n\r\n")
        assert (await first.answer())[0] == 200
    await until(lambda: BoundedHttpProtocol.held.total == 0, "the server to let go")


async def test_a_liveness_probe_gets_through_when_connections_run_out(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedHttpProtocol, "limits", ConnectionLimits(probe_connections=5))
    flood = [await asyncio.open_connection("127.0.0.1", api.port) for _ in range(10 + 20)]
    try:
        for method in (b"GET", b"HEAD"):
            async with api.call() as probe:
                await probe.send(method + b" /healthz HTTP/1.1\r\nHost: api\r\n\r\n")
                head = await probe.reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200")
                assert b"connection: close" in head.lower()
        for path in (b"/readyz", b"/v1/orders"):
            async with api.call() as other:
                await other.send(b"GET %b HTTP/1.1\r\nHost: api\r\n\r\n" % path)
                assert await other.problem() == (503, "too-many-connections")
                assert await other.is_hung_up()
        assert api.connections <= 10 + 5
    finally:
        for _, writer in flood:
            writer.close()
    await until(lambda: not BoundedHttpProtocol.probes, "the server to let go")


def test_the_version_whose_private_members_are_overridden() -> None:
    """`http/protocol.py` replaces parts of uvicorn's protocol: read what changed there before this moves."""
    assert version("uvicorn").startswith("0.54."), (
        "compare uvicorn/protocols/http/httptools_impl.py with http/protocol.py"
    )
    assert version("httptools").startswith("0.9."), "run these tests' part-by-part cases with the new parser"
