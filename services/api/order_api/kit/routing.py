"""Route classes: credentials come first, and the usual request may skip FastAPI's solving of dependencies."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from inspect import signature
from typing import Any, Final, get_args, get_type_hints

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from order_api.http.problems.requests import InvalidRequest
from order_api.kit.json_body import read_json
from order_api.kit.registry import Provider

# The route with the most takes twenty.
MAX_PARAMETERS: Final = 100
# More than any direct route takes: CredentialsFirstRoute rejects them.
_MAX_DIRECT_PARAMETERS: Final = 20


class CredentialCheck(ABC):
    """A dependency that checks credentials: nothing else of a request is read or validated before."""

    @abstractmethod
    async def __call__(self, request: Any) -> Any:
        """Raises a Problem when the credentials do not suffice; checks a request only once."""


class CredentialsFirstRoute(APIRoute):
    """FastAPI reads and decodes a body before it calls any dependency; here credential checks come before."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler: credentials, the number of parameters, the body, then what FastAPI does."""
        handle = super().get_route_handler()
        checks = self._credential_checks()
        takes_body = self.body_field is not None

        async def handle_checked(request: Request) -> Response:
            for check in checks:
                await check(request)
            if request.scope["query_string"].count(b"&") >= MAX_PARAMETERS:
                raise _too_many_parameters(request.scope["query_string"].count(b"&") + 1)
            return await handle(await read_json(request) if takes_body else request)

        return handle_checked

    def _credential_checks(self) -> list[CredentialCheck]:
        return [each.call for each in self.dependant.dependencies if isinstance(each.call, CredentialCheck)]


class DirectRoute(CredentialsFirstRoute):
    """A GET route whose endpoint takes `request`, `parameters` (a model of the query), services, parts of the path.

    Solving dependencies costs as much as the query itself. So a valid request is validated here, by the same types,
    and handled; any other goes the usual way, which reports what is wrong. The documentation is made from the endpoint
    as always. Dependencies that are closed after the response are not for such routes.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if set(signature(self.endpoint).parameters) >= {"request", "parameters"}:
            self.app = self._direct(self.app)

    def _direct(self, usual: ASGIApp) -> ASGIApp:
        checks = self._credential_checks()
        endpoint = self.endpoint
        providers = {
            each.name: each.call
            for each in self.dependant.dependencies
            if each.name is not None and isinstance(each.call, Provider)
        }
        hints = get_type_hints(endpoint, include_extras=True)
        model: type[BaseModel] = get_args(hints["parameters"])[0]
        not_of_the_path = {"request", "parameters", "return", *providers}
        parts = {name: TypeAdapter(kind) for name, kind in hints.items() if name not in not_of_the_path}

        async def direct(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive, send)
            for check in checks:
                await check(request)
            query = scope["query_string"]
            if query.count(b"&") > _MAX_DIRECT_PARAMETERS:
                return await usual(scope, receive, send)
            try:
                parameters = model.model_validate(dict(request.query_params) if query else {})
                path = {name: part.validate_python(scope["path_params"][name]) for name, part in parts.items()}
            except ValidationError:
                return await usual(scope, receive, send)
            services = {name: provider.find(request) for name, provider in providers.items()}
            response: Response = await endpoint(request=request, parameters=parameters, **services, **path)
            return await response(scope, receive, send)

        return direct


def _too_many_parameters(count: int) -> InvalidRequest:
    message = f"has {count:,} parameters; at most {MAX_PARAMETERS} are taken"
    return InvalidRequest([{"in": "query", "field": None, "value": None, "message": message}])
