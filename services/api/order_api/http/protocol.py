"""HTTP/1.1 as uvicorn speaks it, with a bound in size and time for each part of what a client sends or takes.

uvicorn with httptools waits for ever for the rest of a head, takes heads, trailers and pipelines of any size, adds
trailer fields to the header fields, and keeps for ever a response that is not read (docs/decisions/0005). Here
every byte that arrives belongs to one of three parts: what is between requests, a head, or a body with its framing.
Each part has a limit, what is parsed ahead of the responses is limited too, and so is what all connections hold.
"""

import asyncio
from enum import Enum
from typing import Any, ClassVar, Final, NoReturn

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from order_api.http.connection_limits import (
    MAX_BLANK_BYTES,
    MAX_BODY_BYTES_READ,
    MAX_FRAMING_BYTES,
    MAX_HELD_BYTES,
    MAX_WAITING_BYTES,
    PIECE_BYTES,
    ConnectionLimits,
    HeldBytes,
    LoopShares,
    UnreadWatch,
)
from order_api.http.problems.availability import ShuttingDown
from order_api.http.problems.problem import Problem
from order_api.http.problems.rejections import (
    BodyTooLarge,
    HeadTooLarge,
    MalformedRequest,
    RequestTimeout,
    TooManyConnections,
    TooMuchHeld,
)
from order_api.http.request_head import MAX_FIELDS, MAX_HEAD_BYTES, read_head
from order_api.http.response_cycle import BoundedResponseCycle, problem_message

_PROBE_PATH: Final = b"/healthz"


class _Part(Enum):
    BETWEEN = "blank lines"
    HEAD = "head"
    BODY = "body"


class _ReadGate(FlowControl):
    """uvicorn's flow control, of which reading is left to the connection: it knows what waits unparsed."""

    def __init__(self, transport: asyncio.Transport, protocol: "BoundedHttpProtocol") -> None:
        super().__init__(transport)
        self._protocol = protocol

    def pause_reading(self) -> None:
        """Nothing: the connection looks before each piece."""

    def resume_reading(self) -> None:
        """The application took a body, or completed a response."""
        self._protocol.continue_reading()


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection; `limit_concurrency` of uvicorn's configuration says how many there may be."""

    limits: ClassVar[ConnectionLimits] = ConnectionLimits()
    held: ClassVar[HeldBytes] = HeldBytes(MAX_HELD_BYTES)
    shares: ClassVar[dict[asyncio.AbstractEventLoop, LoopShares]] = {}
    probes: ClassVar[dict["BoundedHttpProtocol", None]] = {}
    """Connections beyond the limit that have not asked yet, oldest first."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._max_connections = self.limit_concurrency
        self.limit_concurrency = None  # uvicorn would answer each request that is too many in plain text
        self._deadline: asyncio.TimerHandle | None = None
        self._rejection: Problem | None = None
        self._responding: RequestResponseCycle | None = None
        self._newest: RequestResponseCycle | None = None  # of the requests that came; it may have to wait its turn
        self._is_probe = False
        self._part = _Part.BETWEEN
        self._changes = 0  # of the part
        self._part_bytes = 0
        self._body_bytes = 0
        self._trailers = 0
        self._waiting = bytearray()
        self._is_socket_paused = False
        self._is_share_coming = False
        self._unsent = 0
        self._held = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; beyond the limit for one liveness probe only."""
        super().connection_made(transport)
        self.flow = _ReadGate(transport, self)
        self._watch = UnreadWatch(transport, self.loop, self.limits.reading_seconds)
        if self.loop not in self.shares:
            self.shares[self.loop] = LoopShares(self.loop)
        self._shares = self.shares[self.loop]
        if self._max_connections is None or len(self.connections) <= self._max_connections:
            self._set_deadline("head", self.limits.head_seconds)
            return
        self._is_probe = True
        self.probes[self] = None
        self._set_deadline("head", self.limits.probe_seconds)
        if len(self.probes) > self.limits.probe_connections:  # a probe asks at once, so the oldest is none
            next(iter(self.probes)).reject_as_too_many()

    def connection_lost(self, exc: Exception | None) -> None:
        """Release everything."""
        self.probes.pop(self, None)
        self._clear_deadline()
        self._watch.stop()
        self._disconnect()
        super().connection_lost(exc)
        self._waiting.clear()
        self.held.change(self._held, 0)
        self._held = 0
        # Protocol and parser refer to each other: what they hold would stay until garbage is collected, which is rare.
        # Clients that came again and again with heads of 30 KB took half a gigabyte so.
        self.headers, self.url = [], b""
        self.scope = None  # type: ignore[assignment]
        self.parser = None  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Parse what came, as far as the responses are."""
        self._unset_keepalive_if_required()
        if self._deadline is None:
            self._set_deadline("head", self.limits.head_seconds)  # the next one on this connection
        is_more = bool(self._waiting) or self._is_blocked() or len(data) > PIECE_BYTES
        if not is_more and self._shares.take():
            data = data[self._feed(data) :]
        if data and not self.transport.is_closing():
            self._waiting += data
            self._read_or_pause()
            self.continue_reading(is_more=is_more)
        self._count_held()

    def reject_as_too_many(self) -> None:
        """Close a connection beyond the limit."""
        self._reject(self._too_many_connections())

    def continue_reading(self, *, is_more: bool = True) -> None:
        """Take part in sharing the loop, when there is something to start, to parse, or to read."""
        if not self._is_share_coming and (self.pipeline or self._waiting or self._is_socket_paused):
            self._is_share_coming = True
            self._shares.wait(self._use_share, is_more=is_more)

    def on_message_begin(self) -> None:
        """A head begins."""
        self._enter(_Part.HEAD)
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field, or a trailer field, which is dropped: nothing here has a use for one (RFC 9110, 6.5)."""
        if self._part is _Part.HEAD:
            self.headers.append((name.lower(), value))
            if len(self.headers) > MAX_FIELDS:
                self._stop_parsing(HeadTooLarge(f"a request has at most {MAX_FIELDS} header fields here"))
            return
        self._trailers += 1
        if self._trailers > MAX_FIELDS:
            self._stop_parsing(HeadTooLarge(f"a request has at most {MAX_FIELDS} trailer fields here"))

    def on_headers_complete(self) -> None:
        """A head is complete: begin to answer it, or queue it behind the request before."""
        self._enter(_Part.BODY)
        self._body_bytes = self._trailers = 0
        version, method = self.parser.get_http_version(), self.parser.get_method()
        try:
            head = read_head(version, method, self.url, self.headers, upgrade=self.parser.should_upgrade())
            if self._is_probe and head.path != _PROBE_PATH:
                raise self._too_many_connections()
        except Problem as problem:
            self._stop_parsing(problem)
        self.probes.pop(self, None)
        head.complete_scope(self.scope, version, method, self.root_path)
        self._set_deadline("body", self.limits.body_seconds)
        earlier = self._newest
        self._newest = self.cycle = BoundedResponseCycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=head.expects_continue,
            keep_alive=version != "1.0" and not self._is_probe and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        if earlier is None or earlier.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.pipeline.appendleft((self.cycle, self.app))

    def on_body(self, body: bytes) -> None:
        """A part of a body, which the application may not want any more."""
        self._body_bytes += len(body)
        if self._body_bytes > MAX_BODY_BYTES_READ:
            self._stop_parsing(BodyTooLarge(MAX_BODY_BYTES_READ))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A whole request is there."""
        self._enter(_Part.BETWEEN)
        self._clear_deadline()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """A whole response is written, which does not mean that it was read. The next one has to wait its turn."""
        self.server_state.total_requests += 1
        self._count_held()
        if self.transport.is_closing():
            self._watch.start()
            return
        self._unset_keepalive_if_required()
        if self.pipeline or self._waiting:
            self.continue_reading()
        else:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def timeout_keep_alive_handler(self) -> None:
        """No further request came."""
        super().timeout_keep_alive_handler()
        self._watch_if_closing()

    def shutdown(self) -> None:
        """The server stops: responses are completed, but slow clients are not waited for."""
        super().shutdown()
        if self._deadline is not None:
            self._reject(ShuttingDown())
        self.loop.call_later(self.limits.stopping_seconds, self._watch.abort_unread)

    def pause_writing(self) -> None:
        """A lot waits for the client to read it."""
        super().pause_writing()
        self._unsent = self._watch.start()
        if not self._is_held_within():
            self.transport.abort()

    def resume_writing(self) -> None:
        """The client has read most of it."""
        super().resume_writing()
        self._watch.stop()
        self._unsent = 0
        self._count_held()

    def _enter(self, part: _Part) -> None:
        self._part = part
        self._part_bytes = 0
        self._changes += 1

    def _is_blocked(self) -> bool:
        """Whether what comes has to wait: for responses to earlier requests, or for the application to take a body."""
        cycle = self._newest
        return bool(self.pipeline) or (
            cycle is not None and not cycle.response_complete and len(cycle.body) > HIGH_WATER_LIMIT
        )

    def _use_share(self) -> None:
        """Start the next request, or parse a piece."""
        self._is_share_coming = False
        if self.transport.is_closing():
            self._waiting.clear()
            return
        if self.pipeline:
            if self._responding is None or self._responding.response_complete:
                self._start_asgi_task(*self.pipeline.pop())
        elif self._waiting and not self._is_blocked():
            self._unset_keepalive_if_required()
            if self._deadline is None:
                self._set_deadline("head", self.limits.head_seconds)
            used = self._feed(bytes(self._waiting[:PIECE_BYTES]))
            del self._waiting[:used]
        self._count_held()
        self._read_or_pause()
        if self._waiting and not self._is_blocked():
            self.continue_reading()

    def _read_or_pause(self) -> None:
        is_full = len(self._waiting) >= MAX_WAITING_BYTES
        if is_full != self._is_socket_paused and not self.transport.is_closing():
            self._is_socket_paused = is_full
            if is_full:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def _feed(self, piece: bytes) -> int:
        """Parse a piece; how much of it was used."""
        changes, body_bytes = self._changes, self._body_bytes
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            used: int = upgrade.args[0]
            return used  # nothing else is spoken here: the request is answered as it is, and HTTP/1.1 continues
        except httptools.HttpParserError:
            self._reject(self._rejection or MalformedRequest())
            return len(piece)
        if self._changes == changes:  # all of it belongs to the part that began before
            self._part_bytes += len(piece) - (self._body_bytes - body_bytes)
            self._check_part()
        return len(piece)

    def _check_part(self) -> None:
        if self._part is _Part.HEAD:
            if self._part_bytes > MAX_HEAD_BYTES:
                self._reject(HeadTooLarge())
        elif self._part is _Part.BODY:
            if self._part_bytes > MAX_FRAMING_BYTES:
                limit = f"{MAX_FRAMING_BYTES:,} bytes"
                self._reject(MalformedRequest(f"chunk sizes, extensions and trailers of a body have at most {limit}"))
        elif self._part_bytes > MAX_BLANK_BYTES:
            self._reject(MalformedRequest(f"at most {MAX_BLANK_BYTES:,} bytes of blank lines come before a request"))

    def _stop_parsing(self, problem: Problem) -> NoReturn:
        """For the parser's callbacks: what they raise ends the parsing, and `_feed` refuses the request."""
        self._rejection = problem
        raise ValueError(problem.detail)

    def _count_held(self) -> None:
        if not self._is_held_within() and not self.transport.is_closing():
            self._reject(TooMuchHeld(self.held.limit))

    def _is_held_within(self) -> bool:
        held = self._unsent + len(self._waiting)
        if self._part is _Part.HEAD:
            held += self._part_bytes
        elif self._newest is not None and not self._newest.response_complete:
            held += len(self._newest.body)
        if held == self._held:
            return True
        before, self._held = self._held, held
        return self.held.change(before, held)

    def _too_many_connections(self) -> TooManyConnections:
        return TooManyConnections(self._max_connections or 0)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Begin to answer a request."""
        self._responding = cycle
        super()._start_asgi_task(cycle, app)

    def _disconnect(self) -> None:
        """The client does not read the response under way."""
        if self._responding is not None and not self._responding.response_complete:
            self._responding.disconnected = True
            self._responding.message_event.set()

    def _set_deadline(self, part: str, seconds: float) -> None:
        """The rest of this part has to be there in time."""
        self._clear_deadline()
        self._deadline = self.loop.call_later(seconds, self._on_deadline, part, seconds)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _on_deadline(self, part: str, seconds: float) -> None:
        if self._waiting:
            self._set_deadline(part, seconds)  # it is us who do not read on
        elif self._is_probe:
            self.reject_as_too_many()
        elif self._responding is None and self._part is _Part.BETWEEN:
            self.transport.close()  # nothing was ever asked
        else:
            self._reject(RequestTimeout(part, seconds))

    def _watch_if_closing(self) -> None:
        """A connection closes when all is read that was written to it."""
        if self.transport.is_closing():
            self._watch.start()

    def _reject(self, problem: Problem) -> None:
        """Close the connection; with a response, unless the client would take it for that to another request."""
        self._clear_deadline()
        self.probes.pop(self, None)
        self._waiting.clear()
        cycle = self._responding
        if (
            cycle is None
            or cycle.response_complete
            or (cycle is self._newest and cycle.more_body and not cycle.response_started)
        ):
            self.transport.write(problem_message(problem))
        self._disconnect()
        self.transport.close()
        self._watch.start()
