"""Limit of the size of request bodies."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from order_api.http.problems.rejections import BodyTooLarge

_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "DELETE"})


class BodyLimit:
    """ASGI middleware: reading more of a body than the limit raises BodyTooLarge.

    A body is read by its route, after authentication; that of a GET is never read, the server drops it. FastAPI's own
    `max_body_size` responds before authentication, and not with a problem.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _BODILESS:
            await self._app(scope, receive, send)
            return
        length, received = _content_length(scope), 0

        async def receive_limited() -> Message:
            nonlocal received
            if length > self._limit:
                raise BodyTooLarge(self._limit)
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > self._limit:
                    raise BodyTooLarge(self._limit)
            return message

        await self._app(scope, receive_limited, send)


def _content_length(scope: Scope) -> int:
    """The body's length in the head; the server rejects what is not a number."""
    return next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)
