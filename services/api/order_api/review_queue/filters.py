"""Query parameters and request bodies of the review queue."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from order_api.kit.pagination import CursorText, read_time
from order_api.kit.query_parameters import NO_NUL, HyphenatedName, Identifier, Limit, QueryParam
from order_api.labels.filters import NewLabel
from order_api.review_queue.model import MOST_CLOSED, QueueFilters, QueuePlace, QueueState
from order_contract.event import MAX_INT64
from order_platform.postgres.notes import MAX_NOTE_LENGTH

QueueName = Annotated[QueryParam[HyphenatedName], Field(description="name of the route that the orders took")]


class QueueParameters(BaseModel):
    """Filters of `/v1/reviews/queue`."""

    model_config = ConfigDict(extra="forbid")

    state: Annotated[QueryParam[QueueState], Field(description="of the open ones, these alone")] = None
    queue: QueueName = None
    rule: Annotated[QueryParam[HyphenatedName], Field(description="one of the rules that flag the order")] = None
    mine: Annotated[bool, Field(description="those that you have claimed")] = False
    limit: Annotated[Limit, Field(description="reviews on a page")] = 50
    cursor: Annotated[QueryParam[CursorText], Field(description="`next` of the page before")] = None

    def criteria(self) -> QueueFilters:
        """What to look for."""
        return QueueFilters(self.state, self.queue, self.rule, self.mine)


class NextParameters(BaseModel):
    """Where to take the next review from."""

    model_config = ConfigDict(extra="forbid")

    queue: QueueName = None


class Escalation(BaseModel):
    """Why a review is escalated."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"note": "same device as a closed ring"}]}
    )

    note: Annotated[
        Annotated[str, StringConstraints(max_length=MAX_NOTE_LENGTH, pattern=NO_NUL)] | None,
        Field(description="becomes a note about the order; an empty one counts as none"),
    ] = None


class ClosedReviews(NewLabel):
    """Reviews to close by the same verdict."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"order_ids": ["o-1", "o-2"], "label": "fraud", "note": "one ring"}]},
    )

    order_ids: Annotated[list[Identifier], Field(min_length=1, max_length=MOST_CLOSED)]

    def verdict(self) -> NewLabel:
        """The label of each."""
        return NewLabel(**self.model_dump(exclude={"order_ids"}))


def parse_place(rank: int, due_at: int, order_id: str) -> QueuePlace:
    """The place in a cursor. Raises ValueError for one that no review has."""
    is_place = type(rank) is int and abs(rank) <= MAX_INT64 and type(due_at) is int
    if not is_place or type(order_id) is not str or not order_id or "\0" in order_id:
        raise ValueError("is not the place of a review")
    return QueuePlace(rank, read_time(due_at), order_id)
