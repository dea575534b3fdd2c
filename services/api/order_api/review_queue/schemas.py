"""Responses about the review queue."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from order_api.review_queue.model import ClosingResult, ClosingStatus, QueuedReview, ReviewCounts, Stage
from order_contract.decision import Outcome

_REVIEW: Final[dict[str, Any]] = {
    "order_id": "0193f7c2-5d1e-7c44-9a31-6f0a4a2f9b10",
    "queue": "default",
    "stage": "first",
    "rules": ["foreign-country"],
    "ruleset_version": "3372255be29951af",
    "risk_score": 50,
    "amount": 350_000_000,
    "currency": "IDR",
    "opened_at": "2026-11-22T03:15:00.014512Z",
    "opened_by": "decision",
    "reason": "review",
    "due_at": "2026-11-23T03:15:00.014512Z",
    "is_overdue": False,
    "claimed_by": "dina (4be1f6a09c77)",
    "claimed_until": "2026-11-22T03:30:00.014512Z",
    "escalated_at": None,
    "escalated_by": None,
    "order": {
        "user_id": "U-1042",
        "product_id": "P-7",
        "quantity": 2,
        "payment_method": "Credit Card",
        "country": "SG",
        "created_date": "2026-11-22T03:14:59Z",
        "outcome": "review",
    },
}
_COUNTS: Final[dict[str, Any]] = {
    "open": 31,
    "overdue": 2,
    "claimed": 3,
    "escalated": 1,
    "second": 4,
    "oldest_opened_at": "2026-11-21T01:00:00Z",
}
_ALL_COUNTS: Final[dict[str, Any]] = {
    "total": _COUNTS,
    "queues": {"default": _COUNTS},
    "mine": 1,
    "held": {"IDR": 1_250_000_000},
    "second_reviews": 40,
    "disagreements": 3,
    "counted_at": "2026-11-22T03:20:00Z",
}
_RESULTS: Final[dict[str, Any]] = {
    "items": [
        {"order_id": "o-1", "status": "closed", "detail": None},
        {"order_id": "o-2", "status": "unknown", "detail": "no review of this order was opened"},
    ]
}


class QueuedOrder(BaseModel):
    """What is stored of the order; `GET /v1/orders/{order_id}` has all of it."""

    user_id: str
    product_id: str
    quantity: int
    payment_method: str
    country: str
    created_date: AwareDatetime
    outcome: Outcome


class QueueItem(BaseModel):
    """An order that a person is to look at, and why."""

    model_config = ConfigDict(json_schema_extra={"examples": [_REVIEW]})

    order_id: str
    queue: Annotated[str, Field(description="name of the route; `retroactive` for one that a person opened")]
    stage: Annotated[Stage, Field(description="`second` when another person looked at it first")]
    rules: Annotated[list[str], Field(description="that flag it")]
    ruleset_version: str
    risk_score: int
    amount: Annotated[int | None, Field(description="null when the order was removed before it was counted")]
    currency: str | None
    opened_at: AwareDatetime
    opened_by: Annotated[str, Field(description="`decision`, or who opened it")]
    reason: Annotated[str, Field(description="the outcome of the decision, or why a person opened it")]
    due_at: Annotated[AwareDatetime, Field(description="when it becomes overdue")]
    is_overdue: bool
    claimed_by: Annotated[str | None, Field(description="who is looking at it")]
    claimed_until: AwareDatetime | None
    escalated_at: AwareDatetime | None
    escalated_by: str | None
    order: Annotated[QueuedOrder | None, Field(description="null when the order was removed from the database")]


class QueuePage(BaseModel):
    """A page of open reviews: escalated ones first, then by score, by rupiah, by due time."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_REVIEW], "next": None}]})

    items: list[QueueItem]
    next: Annotated[str | None, Field(description="`cursor` for the page after this; null when it is the last")]


class OpenReviewCounts(BaseModel):
    """Open reviews."""

    model_config = ConfigDict(json_schema_extra={"examples": [_COUNTS]})

    open: int
    overdue: int
    claimed: Annotated[int, Field(description="a person is looking at them")]
    escalated: int
    second: Annotated[int, Field(description="in the second stage")]
    oldest_opened_at: Annotated[AwareDatetime | None, Field(description="null when none is open")]


class ReviewSummary(BaseModel):
    """What waits for people."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ALL_COUNTS]})

    total: OpenReviewCounts
    queues: dict[str, OpenReviewCounts]
    mine: Annotated[int, Field(description="that you have claimed")]
    held: Annotated[dict[str, int], Field(description="sum of the orders that were flagged today, by currency")]
    second_reviews: Annotated[int, Field(description="that ended in the last 30 days")]
    disagreements: Annotated[int, Field(description="those of them that ended with the other verdict")]
    counted_at: AwareDatetime


class ReviewClosing(BaseModel):
    """Outcome of closing one review."""

    model_config = ConfigDict(json_schema_extra={"examples": [_RESULTS["items"][0]]})

    order_id: str
    status: ClosingStatus
    detail: Annotated[str | None, Field(description="why it was not closed")]


class ClosingResults(BaseModel):
    """One result for each order, in the sequence of the request."""

    model_config = ConfigDict(json_schema_extra={"examples": [_RESULTS]})

    items: list[ReviewClosing]


_ORDER_FIELDS: Final = tuple(QueuedOrder.model_fields)
_REVIEW_FIELDS: Final = tuple(name for name in QueueItem.model_fields if name != "order")


def as_item(review: QueuedReview) -> dict[str, Any]:
    """A review as it is sent."""
    order = None if review.user_id is None else {name: getattr(review, name) for name in _ORDER_FIELDS}
    return {**{name: getattr(review, name) for name in _REVIEW_FIELDS}, "order": order}


def as_counts(counts: ReviewCounts, held: Mapping[str, int]) -> dict[str, Any]:
    """Counts as they are sent."""
    queues = {name: each._asdict() for name, each in counts.queues.items()}
    return {**counts._asdict(), "total": counts.total._asdict(), "queues": queues, "held": held}


def as_results(results: Sequence[ClosingResult]) -> dict[str, Any]:
    """Results as they are sent."""
    return {"items": [each._asdict() for each in results]}
