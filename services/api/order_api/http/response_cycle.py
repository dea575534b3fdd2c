"""Framing of responses by the client's version of HTTP."""

import secrets
from typing import cast

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from order_api.http.problems.handlers import MEDIA_TYPE, problem_content
from order_api.http.problems.problem import Problem

# Responses that never have a body (RFC 9110, 15.3.5 and 15.4.5).
_BODILESS = frozenset({204, 304})


class BoundedResponseCycle(RequestResponseCycle):
    """A client of HTTP/1.0 knows no chunks: a response of unknown length ends with its connection.

    Header Connection is about the connection, which the application knows nothing of: it is sent here, and once.
    """

    _ends_with_connection = False

    async def send(self, message: ASGISendEvent) -> None:
        """Send a part of the response."""
        if message["type"] == "http.response.start":
            fields = []
            is_framed = message["status"] in _BODILESS or self.scope["method"] == "HEAD"
            for name, value in message.get("headers", ()):
                lowered = name.lower()
                if lowered == b"connection":
                    self.keep_alive = self.keep_alive and b"close" not in value.lower()
                    continue
                is_framed = is_framed or lowered in {b"content-length", b"transfer-encoding"}
                fields.append((name, value))
            if not is_framed and self.scope["http_version"] == "1.0":
                self._ends_with_connection = True
                self.chunked_encoding = False
            message = cast("ASGISendEvent", {**message, "headers": fields})
        elif message["type"] == "http.response.body" and self._ends_with_connection:
            self.expected_content_length = len(message.get("body", b""))
        await super().send(message)


def problem_message(problem: Problem) -> bytes:
    """The response to what never became a request of the application, as bytes."""
    request_id = secrets.token_hex(16)
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
