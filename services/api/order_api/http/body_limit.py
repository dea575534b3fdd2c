"""Bodies of bounded size, whoever sends them."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from order_api.http.problems.rejections import BodyTooLarge

_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "DELETE"})


class BodyLimit:
    """ASGI middleware: no more of a body than the limit is taken; whoever takes more gets BodyTooLarge raised.

    A body is read by its route, after authentication. What a GET carries is read by nobody; the server drops it.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _BODILESS:
            await self._app(scope, receive, send)
            return
        announced, received = _announced(scope), 0

        async def limited_receive() -> Message:
            nonlocal received
            if announced > self._limit:
                raise BodyTooLarge(self._limit)
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > self._limit:
                    raise BodyTooLarge(self._limit)
            return message

        await self._app(scope, limited_receive, send)


def _announced(scope: Scope) -> int:
    """The body's length as the caller says; the server refuses what is no number."""
    return next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)
