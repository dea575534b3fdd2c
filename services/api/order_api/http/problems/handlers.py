"""Exception handlers: problems, validation errors and HTTP errors as responses."""

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from order_api.http.json_response import json_response
from order_api.http.problems.problem import Problem
from order_api.http.problems.redaction import redact, redact_value
from order_api.http.problems.rejections import PreflightRefused
from order_api.http.problems.requests import MAX_ERRORS, InvalidRequest, MethodNotAllowed, NotFound

MEDIA_TYPE = "application/problem+json"
_SHOULD: Final = re.compile(r"^(?:Input|[A-Z][a-z]+) should")
_UNREADABLE_BODY = 400


def problem_response(request: Request, problem: Problem) -> Response:
    """The problem as the response to a request."""
    body = problem_members(problem, request.state.request_id)
    return json_response(body, problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


def problem_content(problem: Problem, request_id: str) -> bytes:
    """The response's body, for where there is no request yet."""
    return orjson.dumps(problem_members(problem, request_id))


def problem_members(problem: Problem, request_id: str) -> dict[str, Any]:
    """The members of the response."""
    return {
        "type": f"/problems/{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": request_id,
        **problem.members,
    }


async def handle_problem(request: Request, error: Exception) -> Response:
    """For Problem."""
    assert isinstance(error, Problem)
    return problem_response(request, error)


async def handle_validation(request: Request, error: Exception) -> Response:
    """For what FastAPI finds wrong with parameters."""
    assert isinstance(error, RequestValidationError)
    errors = error.errors()
    named = [_describe_error(item) for item in errors[:MAX_ERRORS]]
    return problem_response(request, InvalidRequest(named, len(errors)))


async def handle_http(request: Request, error: Exception) -> Response:
    """For what FastAPI itself raises: unknown paths and methods, bodies that are no text."""
    assert isinstance(error, HTTPException)
    if error.status_code == _UNREADABLE_BODY:
        named = {"in": "body", "field": None, "value": None, "message": "is not JSON in UTF-8"}
        return problem_response(request, InvalidRequest([named]))
    if request.method == "OPTIONS" and "access-control-request-method" in request.headers:
        return problem_response(request, PreflightRefused("pages of this origin may not ask here"))
    if request.method == "OPTIONS" and request.scope["path"] == "*":
        return Response(status_code=204, headers={"Allow": "DELETE, GET, HEAD, OPTIONS, POST"})
    if error.status_code == MethodNotAllowed.status:
        allowed = _allowed_methods(request)
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": ", ".join(sorted(allowed))})
        return problem_response(request, MethodNotAllowed(allowed))
    if error.status_code == NotFound.status:
        return problem_response(request, NotFound("there is nothing at this path"))
    raise error


def _allowed_methods(request: Request) -> set[str]:
    """Of all routes at this path, where routing itself names those of one; HEAD goes with GET, OPTIONS with all."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    routes = [route for route in iter_route_contexts(request.app.routes) if route.methods]
    methods = {method for route in routes if route.path_regex.match(path) for method in route.methods or ()}
    methods = methods or {"GET"}  # a file
    return methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())


def _describe_error(error: Mapping[str, Any]) -> dict[str, object]:
    """One validation error of pydantic: where, which, what it was, what is wrong."""
    place, *names = error["loc"]
    kind, value = error["type"], error["input"]
    is_unknown = kind == "extra_forbidden"
    # An unknown member of a body is not a mistyped value: its name suffices.
    is_shown = kind != "missing" and not (place == "body" and (is_unknown or (not names and _is_structure(value))))
    return {
        "in": str(place),
        "field": redact(".".join(map(str, names))) if names else None,
        "value": redact_value((place, *names), value) if is_shown else None,
        "message": redact(_message(kind, str(error["msg"]), place)),
    }


def _is_structure(value: object) -> bool:
    return isinstance(value, dict | list)


def _message(kind: str, message: str, place: object) -> str:
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return f"there is no such {'member' if place == 'body' else 'parameter'}"
    if kind in {"model_attributes_type", "dict_type", "model_type"}:
        return "must be an object"
    message = message.removeprefix("Value error, ")
    return _SHOULD.sub("must", message)
