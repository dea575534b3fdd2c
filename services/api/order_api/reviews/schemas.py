"""Responses about reviews."""

from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from order_api.reviews.filters import ReviewState
from order_contract.decision import Outcome
from order_contract.label import Label

_REVIEW: Final[dict[str, Any]] = {
    "order_id": "0193f7c2-5d1e-7c44-9a31-6f0a4a2f9b10",
    "state": "open",
    "queue": "retroactive",
    "stage": "first",
    "due_at": "2026-11-23T03:15:00.014512Z",
    "rules": ["card-testing"],
    "ruleset_version": "3372255be29951af",
    "opened_at": "2026-11-22T03:15:00.014512Z",
    "opened_by": "dina@review-7",
    "reason": "card testing of November",
    "label": None,
    "closed_at": None,
    "order": {
        "user_id": "U-1042",
        "product_id": "P-7",
        "quantity": 2,
        "amount": 350_000_000,
        "currency": "IDR",
        "payment_method": "Credit Card",
        "country": "SG",
        "created_date": "2026-11-20T03:15:00Z",
        "outcome": "approve",
        "risk_score": 0,
    },
}


class ReviewedOrder(BaseModel):
    """What is stored of the order; `GET /v1/orders/{order_id}` has all of it."""

    user_id: str
    product_id: str
    quantity: int
    amount: int
    currency: str
    payment_method: str
    country: str
    created_date: AwareDatetime
    outcome: Outcome
    risk_score: int


class Review(BaseModel):
    """An order that a person is to look at, and why."""

    model_config = ConfigDict(json_schema_extra={"examples": [_REVIEW]})

    order_id: str
    state: ReviewState
    queue: Annotated[str, Field(description="name of the route; `retroactive` for one that a person opened")]
    stage: Annotated[str, Field(description="`first`, or `second` where another person is to look at it again")]
    due_at: Annotated[AwareDatetime, Field(description="when it becomes overdue")]
    rules: Annotated[list[str], Field(description="that flag it")]
    ruleset_version: str
    opened_at: AwareDatetime
    opened_by: str
    reason: str
    label: Annotated[Label | None, Field(description="the order's newest label; null without one")]
    closed_at: Annotated[
        AwareDatetime | None, Field(description="when the order got its first label after that; null while it is open")
    ]
    order: Annotated[ReviewedOrder | None, Field(description="null when the order was removed from the database")]


class ReviewPage(BaseModel):
    """A page of reviews, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_REVIEW], "next": None}]})

    items: list[Review]
    next: Annotated[str | None, Field(description="`cursor` for the page after this; null when it is the last")]


_NAMES: Final = (
    "queue", "stage", "due_at", "rules", "ruleset_version", "opened_at", "opened_by", "reason", "label",
)  # fmt: skip


def as_document(row: Any) -> dict[str, Any]:
    """A row of a page as it is sent."""
    closed_at: datetime | None = row["closed_at"]
    order = {name: row[name] for name in ReviewedOrder.model_fields}
    return {
        "order_id": row["order_id"],
        "state": ReviewState.OPEN if closed_at is None else ReviewState.CLOSED,
        **{name: row[name] for name in _NAMES},
        "closed_at": closed_at,
        "order": None if row["user_id"] is None else order,
    }
