"""The route class of pages: errors are pages, too, and who is not signed in is asked to."""

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlencode

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse

from order_api.http.problems.availability import InternalError
from order_api.http.problems.problem import Problem
from order_api.http.problems.requests import InvalidRequest, NotAuthenticated
from order_api.kit.routing import CredentialCheck
from order_workbench.kit.rendering import is_fragment, pages_of, render_page

log = structlog.get_logger(__name__)

SIGN_IN = "/workbench/sign-in"
_NOT_INSTALLED = (
    "The workbench's scripts and styles are not installed: they are fetched and bundled by `make up` or "
    "`make install`, which say why when they could not. Everything else of Orderwatch works without them.\n"
)


class PageRoute(APIRoute):
    """Credentials come first; a problem is shown as a page; without a session the visitor is sent to the sign-in."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler."""
        handle = super().get_route_handler()
        checks = [each.call for each in self.dependant.dependencies if isinstance(each.call, CredentialCheck)]

        async def handle_page(request: Request) -> Response:
            if not pages_of(request).assets.installed:
                return Response(_NOT_INSTALLED, 503, media_type="text/plain; charset=utf-8")
            request = _without_empty_parameters(request)
            try:
                for check in checks:
                    await check(request)
                return await handle(request)
            except NotAuthenticated:
                return redirect_to_sign_in(request)
            except RequestValidationError as error:
                return _invalid_page(request, error)
            except (Problem, HTTPException) as error:
                return _problem_page(request, _problem_of(error))
            except Exception:
                # A bug: it is in the log as those of the API are, and the visitor gets a page.
                log.exception("request_failed", request_id=request.state.request_id, method=request.method)
                return _problem_page(request, InternalError())

        return handle_page


def page_router(*dependencies: Any) -> APIRouter:
    """The router of a screen: `dependencies` say who may see it, such as `reader(Scope.ORDERS)`."""
    return APIRouter(
        prefix="/workbench", route_class=PageRoute, include_in_schema=False, dependencies=list(dependencies)
    )


def _without_empty_parameters(request: Request) -> Request:
    """A form sends its empty fields, too: they are as if left out."""
    query = request.scope["query_string"]
    if b"=&" not in query and not query.endswith(b"="):
        return request
    kept = b"&".join(part for part in query.split(b"&") if part.partition(b"=")[2])
    return Request({**request.scope, "query_string": kept}, request.receive)


def redirect_to_sign_in(request: Request) -> Response:
    """To the sign-in page, which leads back to where the visitor wanted to go."""
    is_page = request.method == "GET" and not is_fragment(request)
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    location = f"{SIGN_IN}?{urlencode({'next': wanted})}" if is_page and wanted != "/workbench" else SIGN_IN
    if is_fragment(request):
        return Response(status_code=204, headers={"HX-Redirect": location})
    return RedirectResponse(location, 303)


def redirect(request: Request, location: str) -> Response:
    """To another page of the workbench after a change, for htmx and for plain forms."""
    if request.headers.get("hx-request") == "true":
        return Response(status_code=204, headers={"HX-Redirect": location})
    return RedirectResponse(location, 303)


def _problem_page(request: Request, problem: Problem) -> Response:
    response = render_page(
        request,
        "layout/problem.html",
        problem.status,
        title=problem.title,
        detail=problem.detail,
        code=problem.code,
        errors=problem.members.get("errors", ()),
    )
    for name, value in problem.headers.items():
        response.headers[name] = value
    return response


def _problem_of(error: Problem | HTTPException) -> Problem:
    """The problem itself, or why a form could not be read: that it is too large is only the cause of what is raised."""
    for each in (error, error.__cause__):
        if isinstance(each, Problem):
            return each
    assert isinstance(error, HTTPException)
    return InvalidRequest([{"in": "body", "field": None, "value": None, "message": error.detail}])


def _invalid_page(request: Request, error: RequestValidationError) -> Response:
    named = [
        {"field": ".".join(map(str, item["loc"][1:])), "message": str(item["msg"]).removeprefix("Value error, ")}
        for item in error.errors()[:20]
    ]
    return render_page(
        request,
        "layout/problem.html",
        422,
        title="What was sent cannot be used",
        detail="Correct what is named below, and send it again.",
        code="invalid-request",
        errors=named,
    )
