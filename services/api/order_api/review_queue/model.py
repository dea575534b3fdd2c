"""What the review queue consists of, as its service returns it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from order_contract.decision import Outcome

MOST_CLOSED: Final = 200
"""Reviews that one request closes."""


class Stage(StrEnum):
    """How often a person has looked at the order."""

    FIRST = "first"
    SECOND = "second"
    """It was closed by an analyst's label, and is in the sample that another person looks at."""


class QueueState(StrEnum):
    """Which of the open reviews."""

    WAITING = "waiting"
    """No person is looking at it."""
    CLAIMED = "claimed"
    OVERDUE = "overdue"
    ESCALATED = "escalated"
    SECOND = "second"
    """In the second stage."""


class QueueFilters(NamedTuple):
    """AND-combined filters; None means not filtered. `mine` are those that the person has claimed."""

    state: QueueState | None = None
    queue: str | None = None
    rule: str | None = None
    mine: bool = False


class QueuePlace(NamedTuple):
    """A review's place in the queue, which is sorted by these values, ascending."""

    rank: int
    due_at: datetime
    order_id: str


class QueuedReview(NamedTuple):
    """An open review, with what is stored of its order.

    `amount` is in the smallest unit of `currency`. `claimed_by` and `claimed_until` are None unless a person is looking
    at it now, `escalated_*` unless it was escalated. What is stored of the order is None when it was removed.
    """

    order_id: str
    queue: str
    stage: Stage
    rules: Sequence[str]
    ruleset_version: str
    risk_score: int
    amount: int | None
    currency: str | None
    opened_at: datetime
    opened_by: str
    reason: str
    due_at: datetime
    is_overdue: bool
    claimed_by: str | None
    claimed_until: datetime | None
    escalated_at: datetime | None
    escalated_by: str | None
    user_id: str | None
    product_id: str | None
    quantity: int | None
    payment_method: str | None
    country: str | None
    created_date: datetime | None
    outcome: Outcome | None
    rank: int


class QueueCounts(NamedTuple):
    """Open reviews of a queue, or of all of them. `oldest_opened_at` is None when there are none."""

    open: int
    overdue: int
    claimed: int
    escalated: int
    second: int
    oldest_opened_at: datetime | None


class ReviewCounts(NamedTuple):
    """What waits for people.

    Second reviews are those that ended in the last 30 days, and disagreements those of them that ended with the other
    verdict.
    """

    total: QueueCounts
    queues: Mapping[str, QueueCounts]
    mine: int
    second_reviews: int
    disagreements: int
    counted_at: datetime


class ClosingStatus(StrEnum):
    """Outcome of closing a review."""

    CLOSED = "closed"
    """Its label is published; it has left the queue."""
    UNKNOWN = "unknown"
    REFUSED = "refused"
    """Another person is looking at it, or it is closed already; `detail` says which."""
    UNAVAILABLE = "unavailable"
    """The broker did not take the label, or not in time; it is in the queue as before. Try again."""


class ClosingResult(NamedTuple):
    """The outcome of closing one of several reviews; `detail` is None for one that was closed."""

    order_id: str
    status: ClosingStatus
    detail: str | None
