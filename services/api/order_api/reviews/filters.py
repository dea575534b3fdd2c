"""Query parameters of `/v1/reviews`, and the body that closes one."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from order_api.kit.pagination import CursorText, read_time
from order_api.kit.query_parameters import (
    HyphenatedName,
    Identifier,
    Limit,
    QueryParam,
    RulesetVersion,
    Text,
    TimeBound,
)


class ReviewState(StrEnum):
    """Whether a person has still to look at the order."""

    OPEN = "open"
    CLOSED = "closed"
    """The order got a label after the review was opened."""


class ReviewParameters(BaseModel):
    """Filters of `/v1/reviews`."""

    model_config = ConfigDict(extra="forbid")

    state: Annotated[QueryParam[ReviewState], Field(description="open or closed ones alone")] = None
    rule: Annotated[QueryParam[HyphenatedName], Field(description="one of the rules for which it was opened")] = None
    ruleset_version: Annotated[QueryParam[RulesetVersion], Field(description="the version whose rules these are")] = (
        None
    )
    user_id: Annotated[QueryParam[Identifier], Field(description="who placed the order")] = None
    opened_by: Annotated[QueryParam[Text], Field(description="who opened it, as it is listed")] = None
    opened_from: Annotated[QueryParam[TimeBound], Field(alias="from", description="opened at or after this")] = None
    opened_to: Annotated[QueryParam[TimeBound], Field(alias="to", description="opened before this")] = None
    limit: Annotated[Limit, Field(description="reviews on a page")] = 50
    cursor: Annotated[QueryParam[CursorText], Field(description="`next` of the page before")] = None

    def criteria(self) -> dict[str, Any]:
        """What to look for."""
        return self.model_dump(exclude={"limit", "cursor"})


def parse_place(opened_at: int, order_id: str) -> tuple[datetime, str]:
    """The place in a cursor. Raises ValueError for one that no review has."""
    if type(opened_at) is not int or type(order_id) is not str or not order_id or "\0" in order_id:
        raise ValueError("is not the place of a review")
    return read_time(opened_at), order_id
