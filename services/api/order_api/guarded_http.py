"""HTTP/1.1 as uvicorn speaks it, guarded against callers that send or read too slowly, too much, or nonsense.

uvicorn with httptools waits for ever for the rest of a head, takes heads of any size, and keeps an answer for ever that
nobody reads. Here each part of a request has a deadline and a size, answers have to be read, and whatever ends a
connection early is told in a problem document, where the caller can still take one.
"""

import asyncio
from typing import Any, Final
from uuid import uuid4

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from order_api.problems.answers import MEDIA_TYPE, problem_content
from order_api.problems.availability import ShuttingDown
from order_api.problems.problem import Problem
from order_api.problems.refusals import HeadTooLarge, MalformedRequest, RequestTimeout, TooManyConnections

# An order id has 64 characters, a cursor 640: the rest is for what browsers and proxies add.
MAX_HEAD_BYTES: Final = 32_768
HEAD_SECONDS: Final = 10.0
BODY_SECONDS: Final = 30.0
# A caller for whom an answer waits takes at least so much of it in this time, or what is left. (What the system has
# buffered is freed in pieces of a third of that, so callers that read 10 kB a second are safe.)
READING_SECONDS: Final = 30.0
READING_BYTES: Final = 16_384
# The same when the server stops; less than what it gives all answers then.
STOPPING_SECONDS: Final = 3.0


class GuardedHttp(HttpToolsProtocol):
    """One connection; `limit_concurrency` of uvicorn's configuration says how many there may be."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._max_connections = self.limit_concurrency
        self.limit_concurrency = None  # uvicorn would answer each request that is too many in plain text
        self._deadline: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None
        self._unread = 0
        self._is_in_head = False
        self._has_head_begun = False
        self._head_bytes = 0
        self._refusal: Problem | None = None
        self._answering: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; or end at once, when there are too many."""
        super().connection_made(transport)
        if self._max_connections is not None and len(self.connections) > self._max_connections:
            self._refuse(TooManyConnections(self._max_connections))
        else:
            self._expect("head", HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything."""
        self._expect_nothing()
        self._stop_watching()
        self._disconnect()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and keep no more of a head than it may have."""
        self._unset_keepalive_if_required()
        if self._deadline is None:
            self._expect("head", HEAD_SECONDS)  # the next one on this connection
        self._has_head_begun = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return  # nothing else is spoken here: the request is answered as it stands
        except httptools.HttpParserError:
            self._refuse(self._refusal or MalformedRequest())
            return
        if self._is_in_head and not self._has_head_begun:
            self._head_bytes += len(data)  # all of it belongs to a head that began before
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(HeadTooLarge(MAX_HEAD_BYTES))

    def on_message_begin(self) -> None:
        """A head begins."""
        self._is_in_head = self._has_head_begun = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head is there: begin to answer, unless it is too large."""
        self._is_in_head = False
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD_BYTES:
            self._refusal = HeadTooLarge(MAX_HEAD_BYTES)
            raise ValueError(self._refusal.detail)  # ends the parsing
        self._expect("body", BODY_SECONDS)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A whole request is there."""
        self._expect_nothing()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """A whole answer is written, which does not mean that it was read."""
        super().on_response_complete()
        self._watch_if_closing()

    def timeout_keep_alive_handler(self) -> None:
        """No further request came."""
        super().timeout_keep_alive_handler()
        self._watch_if_closing()

    def shutdown(self) -> None:
        """The server stops: answers are finished, but nobody is waited for who sends or reads slowly."""
        super().shutdown()
        if self._deadline is not None:
            self._refuse(ShuttingDown())
        self.loop.call_later(STOPPING_SECONDS, self._abort_unread)

    def pause_writing(self) -> None:
        """A lot waits for the caller to read it."""
        super().pause_writing()
        self._watch_reading()

    def resume_writing(self) -> None:
        """The caller has read most of it."""
        super().resume_writing()
        self._stop_watching()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Begin to answer a request: `self.cycle` is the newest that came, which may have to wait its turn."""
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _disconnect(self) -> None:
        """Nobody reads the answer that is under way."""
        if self._answering is not None and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()

    def _expect(self, part: str, seconds: float) -> None:
        """The rest of this part has to be there in time."""
        self._expect_nothing()
        self._deadline = self.loop.call_later(seconds, self._overdue, part, seconds)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _overdue(self, part: str, seconds: float) -> None:
        if self.flow.read_paused:
            self._expect(part, seconds)  # it is us who do not read on
        elif self._answering is None and not self._is_in_head:
            self.transport.close()  # nothing was ever asked
        else:
            self._refuse(RequestTimeout(part, seconds))

    def _watch_if_closing(self) -> None:
        """A connection closes when all is read that was written to it."""
        if self.transport.is_closing():
            self._watch_reading()

    def _watch_reading(self) -> None:
        self._stop_watching()
        self._unread = self.transport.get_write_buffer_size()
        if self._unread:
            self._reading = self.loop.call_later(READING_SECONDS, self._check_reading)

    def _stop_watching(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _check_reading(self) -> None:
        # While this is watched nothing more is written, so it only becomes less.
        if self.transport.get_write_buffer_size() > self._unread - READING_BYTES:
            self.transport.abort()
        else:
            self._watch_reading()

    def _abort_unread(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()

    def _refuse(self, problem: Problem) -> None:
        """Close the connection; with an answer, unless the caller would take it for that to another request."""
        self._expect_nothing()
        cycle = self._answering
        is_answered = cycle is None or cycle.response_complete
        if is_answered or (cycle is self.cycle and cycle.more_body and not cycle.response_started):
            self.transport.write(_answer(problem))
        self._disconnect()
        self.transport.close()
        self._watch_reading()


def _answer(problem: Problem) -> bytes:
    request_id = uuid4().hex
    content = problem_content(problem, request_id)
    headers = {
        "Content-Type": MEDIA_TYPE,
        "Content-Length": str(len(content)),
        "Connection": "close",
        "X-Request-ID": request_id,
        **problem.headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return STATUS_LINE[problem.status] + lines.encode() + b"\r\n" + content
