"""The OpenAPI document: every problem response declared once, and referred to."""

from typing import Annotated, Any, Final

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

from order_api.problems import MEDIA_TYPE


class FieldError(BaseModel):
    """A parameter that is not valid."""

    place: Annotated[str, Field(alias="in", description="`query` or `path`")]
    field: str
    value: str | None
    message: str


class ProblemModel(BaseModel):
    """What went wrong, as RFC 9457 has it. Some types have further members, as `GET /problems/{code}` explains."""

    model_config = ConfigDict(
        title="Problem",
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "/problems/order-unknown-or-undecided",
                    "title": "The order is unknown or not decided yet",
                    "status": 404,
                    "detail": "no decision on this order is stored; 0 messages wait for the detector",
                    "code": "order-unknown-or-undecided",
                    "request_id": "5f0c9d1be2a84c77b1d2c3a4e5f60718",
                    "lag": 0,
                }
            ]
        },
    )

    type: Annotated[str, Field(description="a path of this API that explains the problem")]
    title: str
    status: int
    detail: Annotated[str, Field(description="what it was this time")]
    code: Annotated[str, Field(description="the last segment of `type`: what programs look at")]
    request_id: str
    errors: Annotated[list[FieldError] | None, Field(description="with `invalid-request`")] = None
    lag: Annotated[int | None, Field(description="with `order-unknown-or-undecided`")] = None


_RETRY_AFTER: Final = {"Retry-After": {"description": "seconds", "schema": {"type": "integer", "minimum": 0}}}
_PROBLEM: Final = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_RESPONSES: Final[dict[int, tuple[str, dict[str, Any]]]] = {
    401: (
        "NotAuthenticated",
        {
            "description": "No valid API key",
            "headers": {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}},
        },
    ),
    403: ("NotPermitted", {"description": "The API key's role does not permit this"}),
    404: ("NotFound", {"description": "Not there; `code` says why", "headers": _RETRY_AFTER}),
    422: ("InvalidRequest", {"description": "A parameter is not valid; `errors` names it"}),
    503: ("Unavailable", {"description": "Not now", "headers": _RETRY_AFTER}),
}


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem responses of a route, for FastAPI's argument of this name."""
    return {status: {"$ref": f"#/components/responses/{_RESPONSES[status][0]}"} for status in statuses}


class DocumentedAPI(FastAPI):
    """FastAPI with the problem responses in its document."""

    def openapi(self) -> dict[str, Any]:
        """The document; FastAPI makes it when it is first asked for, and keeps it."""
        document = super().openapi()
        components = document["components"]
        if "responses" not in components:
            components["responses"] = {
                name: {**response, "content": _PROBLEM} for name, response in _RESPONSES.values()
            }
            schema = ProblemModel.model_json_schema(ref_template="#/components/schemas/{model}")
            components["schemas"] |= schema.pop("$defs") | {"Problem": schema}
        return document
