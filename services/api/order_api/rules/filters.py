"""Query parameters of `/v1/rules`."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field

from order_api.kit.query_parameters import (
    DIGITS_ONLY,
    Contradiction,
    HyphenatedName,
    QueryParam,
    TimeBound,
    contradiction_error,
    reject_contradictions,
)

RANGE: Final = timedelta(days=30)
LONGEST_RANGE: Final = timedelta(days=92)


class Period(StrEnum):
    """What the range is divided into, by business dates."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class RangeParameters(BaseModel):
    """The orders that are counted: a range of time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: Annotated[
        QueryParam[TimeBound],
        Field(alias="from", description="created at or after this; by default 30 days before `to`"),
    ] = None
    end: Annotated[
        QueryParam[TimeBound],
        Field(alias="to", description="created before this; by default now; at most 92 days after `from`"),
    ] = None

    def bounds(self) -> tuple[datetime, datetime]:
        """The range. Raises RequestValidationError when it is empty or too long."""
        reject_contradictions(self)
        end = self.end or datetime.now(UTC)
        start = self.start or end - RANGE
        if start >= end:
            raise _invalid(start, f"is not before `to`, which is {end:%Y-%m-%dT%H:%M:%SZ}; write an earlier time")
        if end - start > LONGEST_RANGE:
            raise _invalid(start, f"is more than {LONGEST_RANGE.days} days before `to`; write a later time")
        return start, end


class PerformanceParameters(RangeParameters):
    """Parameters of `/v1/rules/performance`."""

    period: Annotated[
        QueryParam[Period], Field(description="by which it is divided; left out: the range as a whole")
    ] = None
    rule: Annotated[QueryParam[HyphenatedName], Field(description="this rule only")] = None
    label_days: Annotated[
        int, Field(ge=0, le=365, description="after how many days the labels of an order are complete"), DIGITS_ONLY
    ] = 30
    by_version: Annotated[
        bool, Field(description="`false`: hits by all versions of the ruleset are counted together")
    ] = True


def _invalid(start: datetime, message: str) -> RequestValidationError:
    return contradiction_error([Contradiction("from", start.isoformat(), message)])
