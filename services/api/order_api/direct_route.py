"""Routes of which the usual request skips FastAPI's solving of dependencies: it costs as much as the query itself."""

from inspect import signature
from typing import Any, Final, get_args, get_type_hints

from fastapi import Request, Response
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from order_api.authentication import KeyOfRole
from order_api.guarded_route import GuardedRoute
from order_api.services import services_of

# More than any route takes: for GuardedRoute to refuse.
_MOST_PARAMETERS: Final = 20
_NOT_OF_THE_PATH: Final = frozenset({"request", "services", "parameters", "return"})


class DirectRoute(GuardedRoute):
    """A GET route whose endpoint takes `request`, `services`, `parameters` (a model of the query), parts of the path.

    What is valid is validated here, by the same types, and answered; all else goes the usual way, which says what is
    wrong. The documentation is made from the endpoint as always. Dependencies that are closed after the response,
    for which FastAPI keeps two stacks for each request, are not for such routes.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if set(signature(self.endpoint).parameters) >= {"request", "services", "parameters"}:
            self.app = self._direct(self.app)

    def _direct(self, usual: ASGIApp) -> ASGIApp:
        checks = [each.call for each in self.dependant.dependencies if isinstance(each.call, KeyOfRole)]
        endpoint = self.endpoint
        hints = get_type_hints(endpoint, include_extras=True)
        model: type[BaseModel] = get_args(hints["parameters"])[0]
        parts = {name: TypeAdapter(kind) for name, kind in hints.items() if name not in _NOT_OF_THE_PATH}

        async def direct(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive, send)
            for check in checks:
                await check(request)
            query = scope["query_string"]
            if query.count(b"&") > _MOST_PARAMETERS:
                return await usual(scope, receive, send)
            try:
                parameters = model.model_validate(dict(request.query_params) if query else {})
                path = {name: part.validate_python(scope["path_params"][name]) for name, part in parts.items()}
            except ValidationError:
                return await usual(scope, receive, send)
            response: Response = await endpoint(
                request=request, services=services_of(request), parameters=parameters, **path
            )
            return await response(scope, receive, send)

        return direct
