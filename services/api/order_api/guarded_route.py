"""Routes that look at the credentials first: nothing else of a request is read or validated before."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute

from order_api.authentication import HeaderKey, KeyOfRole
from order_api.json_body import read_json
from order_api.problems.requests import InvalidRequest

# The route with the most takes twenty.
MAX_PARAMETERS: Final = 100


class GuardedRoute(APIRoute):
    """FastAPI reads and decodes a body before it asks any dependency; here those about credentials come before."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler: credentials, the number of parameters, the body, then what FastAPI does."""
        handle = super().get_route_handler()
        checks = [
            dependency.call
            for dependency in self.dependant.dependencies
            if isinstance(dependency.call, KeyOfRole | HeaderKey)
        ]
        takes_body = self.body_field is not None

        async def guarded(request: Request) -> Response:
            for check in checks:
                await check(request)
            if request.scope["query_string"].count(b"&") >= MAX_PARAMETERS:
                raise _too_many_parameters(request.scope["query_string"].count(b"&") + 1)
            return await handle(await read_json(request) if takes_body else request)

        return guarded


def _too_many_parameters(count: int) -> InvalidRequest:
    message = f"has {count:,} parameters; at most {MAX_PARAMETERS} are taken"
    return InvalidRequest([{"in": "query", "field": None, "value": None, "message": message}])
