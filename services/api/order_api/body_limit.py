"""Bodies of bounded size, whoever sends them."""

from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from order_api.problems.answers import problem_response
from order_api.problems.refusals import BodyTooLarge

_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "DELETE"})


class BodyLimit:
    """ASGI middleware: takes in the whole body of a request that may have one before anything else happens.

    So nothing behind it ever holds more than the limit or waits for the rest of a body. What a GET carries is read by
    nobody; the server throws it away.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _BODILESS:
            await self._app(scope, receive, send)
            return
        if _announced(scope) > self._limit:
            await self._refuse(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return  # the caller left
            body += message.get("body", b"")
            if len(body) > self._limit:
                await self._refuse(scope, receive, send)
                return
            more = message.get("more_body", False)
        taken_in: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_again() -> Message:
            return taken_in.pop() if taken_in else await receive()

        await self._app(scope, receive_again, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        await problem_response(Request(scope), BodyTooLarge(self._limit))(scope, receive, send)


def _announced(scope: Scope) -> int:
    """The body's length as the caller says; the server refuses what is no number."""
    return next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)
