"""Request body and parameters of `/v1/backtests`."""

from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from order_api.http.problems.rulesets import BacktestRefused
from order_api.kit.pagination import CursorText
from order_api.kit.query_parameters import DIGITS_ONLY, Limit, QueryParam, TimeBound
from order_api.what_if.filters import RulesetChoice
from order_backtests.repository import State

LONGEST_RANGE: Final = timedelta(days=400)
MOST_ID: Final = 2**63 - 1

BacktestId = Annotated[
    Annotated[int, Field(ge=1, le=MOST_ID), DIGITS_ONLY], Path(description="as the response to its request has it")
]


class WantedBacktest(BaseModel):
    """A ruleset, with what it is compared, and the orders that it decides."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"ruleset": {"version": "0b9a3a1c52f7d6e4"}, "from": "2026-11-01", "to": "2026-11-21"}]
        },
    )

    ruleset: RulesetChoice
    against: Annotated[RulesetChoice | None, Field(description="left out or null: what was decided then")] = None
    since: Annotated[TimeBound, Field(alias="from", description="orders that were created at or after this")]
    until: Annotated[TimeBound, Field(alias="to", description="and before this; at most 400 days later")]

    def bounds(self) -> tuple[datetime, datetime]:
        """The range. Raises BacktestRefused when it is empty or too long."""
        if self.until <= self.since:
            raise BacktestRefused(f"`to` ({self.until.isoformat()}) is not after `from`; write a later time")
        if self.until - self.since > LONGEST_RANGE:
            raise BacktestRefused(f"`to` is more than {LONGEST_RANGE.days} days after `from`; write an earlier time")
        return self.since, self.until


class BacktestParameters(BaseModel):
    """Filters of the list of backtests."""

    model_config = ConfigDict(extra="forbid")

    state: Annotated[QueryParam[State], Field(description="in this state")] = None
    limit: Annotated[Limit, Field(description="backtests on a page")] = 50
    cursor: Annotated[QueryParam[CursorText], Field(description="`next` of the page before")] = None
