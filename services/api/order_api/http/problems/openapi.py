"""Problems in the OpenAPI document: one schema, and each status that routes respond with, declared once."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from order_api.http.problems.availability import DatabaseUnavailable
from order_api.http.problems.dead_letters import AlreadyRedriven, DeadLetterGone
from order_api.http.problems.handlers import MEDIA_TYPE, problem_members
from order_api.http.problems.orders import OrderUnknown, UserUnknown
from order_api.http.problems.problem import Problem
from order_api.http.problems.rejections import BodyTooLarge, TooManyRequests, TooManyWithoutKey
from order_api.http.problems.requests import (
    CursorUnknown,
    InvalidRequest,
    NotAcceptable,
    NotAuthenticated,
    NotPermitted,
    UnsupportedMediaType,
)

_REQUEST_ID: Final = "5f0c9d1be2a84c77b1d2c3a4e5f60718"


class FieldError(BaseModel):
    """A part of the request that is not valid."""

    place: Annotated[str, Field(alias="in", description="`query`, `path`, `header` or `body`")]
    field: Annotated[str | None, Field(description="null for the body or the query as a whole")]
    value: Annotated[str | None, Field(description="cut, with secrets hidden; null when there is none")]
    message: str


class ProblemModel(BaseModel):
    """What went wrong, as RFC 9457 has it. Some types have further members, as `GET /problems/{code}` explains."""

    model_config = ConfigDict(
        title="Problem",
        extra="allow",
        json_schema_extra={"examples": [problem_members(OrderUnknown(0), _REQUEST_ID)]},
    )

    type: Annotated[str, Field(description="a path of this API that explains the problem")]
    title: str
    status: int
    detail: Annotated[str, Field(description="what it was this time")]
    code: Annotated[str, Field(description="the last segment of `type`: what programs look at")]
    request_id: str
    errors: Annotated[list[FieldError] | None, Field(description="with `invalid-request`")] = None
    lag: Annotated[int | None, Field(description="with `order-unknown-or-undecided`")] = None


_SECONDS: Final = {"description": "seconds", "schema": {"type": "integer", "minimum": 0}}
_RETRY_AFTER: Final = {"Retry-After": _SECONDS}
_BAD_LIMIT: Final = {"in": "query", "field": "limit", "value": "0", "message": "must be at least 1"}


def _response(description: str, *examples: Problem, headers: dict[str, Any] | None = None) -> dict[str, Any]:
    """A response with an example of each problem that it may be."""
    shown = {problem.code: {"value": problem_members(problem, _REQUEST_ID)} for problem in examples}
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": shown}}
    return {"description": description, **({} if headers is None else {"headers": headers}), "content": content}


_RESPONSES: Final[dict[int, tuple[str, dict[str, Any]]]] = {
    401: (
        "NotAuthenticated",
        _response(
            "No valid API key or session",
            NotAuthenticated("the API key is unknown or revoked", ""),
            headers={"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}},
        ),
    ),
    403: (
        "NotPermitted",
        _response(
            "The role of key or session does not permit this",
            NotPermitted("this needs a key of role review; yours has role read"),
        ),
    ),
    404: (
        "NotFound",
        _response("Not there; `code` says why", OrderUnknown(0), UserUnknown(), CursorUnknown(), headers=_RETRY_AFTER),
    ),
    406: (
        "NotAcceptable",
        _response("Header Accept admits nothing that this responds with", NotAcceptable("text/event-stream")),
    ),
    409: (
        "Refused",
        _response("Not as things stand; `code` says why", AlreadyRedriven("its redrive is orders/3/12399")),
    ),
    410: ("Gone", _response("It was here once", DeadLetterGone("orders/3/12345"))),
    413: ("BodyTooLarge", _response("The body is too large", BodyTooLarge(65_536))),
    415: ("UnsupportedMediaType", _response("The body is not JSON", UnsupportedMediaType("text/plain"))),
    422: ("InvalidRequest", _response("Not valid; `errors` names each part", InvalidRequest([_BAD_LIMIT]))),
    429: (
        "TooManyRequests",
        _response(
            "Too many requests of this key, or without a valid one from this address",
            TooManyRequests(30_000, 60, 2),
            TooManyWithoutKey(12_000, 60, 20),
            headers={"Retry-After": {**_SECONDS, "required": True}},
        ),
    ),
    503: ("Unavailable", _response("Not now", DatabaseUnavailable(), headers=_RETRY_AFTER)),
}


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem responses of a route, for FastAPI's argument of this name."""
    return {status: {"$ref": f"#/components/responses/{_RESPONSES[status][0]}"} for status in statuses}


def problem_components() -> tuple[dict[str, Any], dict[str, Any]]:
    """What `responses` refers to: responses by name, schemas by name."""
    schema = ProblemModel.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = schema.pop("$defs") | {"Problem": schema}
    return dict(_RESPONSES.values()), schemas
