"""Problems as answers: rendered in one place, whoever raised them."""

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from order_api.problems.problem import Problem
from order_api.problems.requests import InvalidRequest, MethodNotAllowed, NotFound
from order_api.responses import json_response

MEDIA_TYPE = "application/problem+json"
MAX_SHOWN = 120
_UNREADABLE_BODY = 400


def problem_response(request: Request, problem: Problem) -> Response:
    """The answer to a request."""
    body = problem_members(problem, request.state.request_id)
    return json_response(body, problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


def problem_content(problem: Problem, request_id: str) -> bytes:
    """The answer's body, for where there is no request yet."""
    return orjson.dumps(problem_members(problem, request_id))


def problem_members(problem: Problem, request_id: str) -> dict[str, Any]:
    """What an answer says."""
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
    return problem_response(request, InvalidRequest([_named(item) for item in error.errors()]))


async def handle_http(request: Request, error: Exception) -> Response:
    """For what FastAPI itself raises: unknown paths and methods, bodies that are no text."""
    assert isinstance(error, HTTPException)
    if error.status_code == _UNREADABLE_BODY:
        named = {"in": "body", "field": "body", "value": None, "message": "is not JSON in UTF-8"}
        return problem_response(request, InvalidRequest([named]))
    if error.status_code == MethodNotAllowed.status:
        return problem_response(request, MethodNotAllowed(_allowed_methods(request)))
    if error.status_code == NotFound.status:
        return problem_response(request, NotFound("there is nothing at this path"))
    raise error


def _allowed_methods(request: Request) -> set[str]:
    """Of all routes at this path: routing itself names those of one."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    routes = [route for route in iter_route_contexts(request.app.routes) if route.methods]
    methods = {method for route in routes if route.path_regex.match(path) for method in route.methods or ()}
    return methods or {"GET", "HEAD"}  # a file


def _named(error: Mapping[str, Any]) -> dict[str, object]:
    """One validation error of pydantic: where, which, what it was, what is wrong."""
    place, *names = error["loc"]
    missing = error["type"] == "missing"
    unknown = error["type"] == "extra_forbidden"
    message = "there is no such parameter" if unknown else str(error["msg"]).removeprefix("Value error, ")
    return {
        "in": str(place),
        "field": _shown(".".join(map(str, names)) or str(place)),
        "value": None if missing else _shown(error["input"]),
        "message": message,
    }


def _shown(value: object) -> str:
    """A value for an error text: cut, and without what JSON cannot carry."""
    text = str(value)
    text = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}... (cut)"
    return text.encode("utf-8", "replace").decode()
