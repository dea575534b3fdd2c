"""Responses about the routes of the review queue."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from order_api.review_routes.filters import DefaultAction

_ROUTE: Final[dict[str, Any]] = {
    "name": "default",
    "rule": None,
    "outcome": "review",
    "country": None,
    "payment_method": None,
    "min_amount": None,
    "currency": None,
    "due_minutes": 1_440,
    "default_action": "none",
    "second_review_percent": 5,
}


class ActiveRoute(BaseModel):
    """A route in force."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ROUTE]})

    name: str
    rule: str | None
    outcome: Literal["review", "decline"] | None
    country: str | None
    payment_method: str | None
    min_amount: int | None
    currency: str | None
    due_minutes: int
    default_action: DefaultAction
    second_review_percent: int


class MovedReviews(BaseModel):
    """Outcome of moving open reviews."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"moved": 31, "remaining": 0}]})

    moved: int
    remaining: Annotated[int, Field(description="in the queue that they leave; move again until there are none")]


class ActiveRoutes(BaseModel):
    """The routes in force, in the sequence in which they are tried."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"routes": [_ROUTE]}]})

    routes: list[ActiveRoute]
