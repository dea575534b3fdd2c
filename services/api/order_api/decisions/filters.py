"""Query parameters of the stream, and the filter of decisions that they make."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Final, NamedTuple, cast

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from order_api.decisions.schemas import ID_PATTERN, read_id
from order_api.kit.query_parameters import DIGITS_ONLY, Identifier, QueryParam
from order_contract.decision import Outcome, Status


class From(Enum):
    """Where a stream begins, when no id says so."""

    NOW = "now"
    BEGINNING = "beginning"


Start = From | Mapping[int, int]
"""Where to begin; a mapping is the next offset by partition, as in an event's id."""


class FilterFields(NamedTuple):
    """The fields of a decision that filters look at; a message that is not a decision has none."""

    outcome: str | None = None
    status: str | None = None
    user_id: str | None = None
    risk_score: int = -1
    rules: frozenset[str] = frozenset()

    @property
    def flagged(self) -> bool | None:
        """Whether it is flagged, None for what is not a decision."""
        return None if self.outcome is None else self.outcome != Outcome.APPROVE


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionFilter:
    """AND-combined filters; None means not filtered."""

    flagged: bool | None = None
    outcome: str | None = None
    status: str | None = None
    user_id: str | None = None
    rule: str | None = None
    min_risk_score: int | None = None
    masked: bool = False
    """Send them without personal data."""

    def matches(self, filter_fields: FilterFields) -> bool:
        """Whether a decision passes the filter."""
        return (
            (self.user_id is None or filter_fields.user_id == self.user_id)
            and (self.flagged is None or filter_fields.flagged == self.flagged)
            and (self.outcome is None or filter_fields.outcome == self.outcome)
            and (self.status is None or filter_fields.status == self.status)
            and (self.rule is None or self.rule in filter_fields.rules)
            and (self.min_risk_score is None or filter_fields.risk_score >= self.min_risk_score)
        )


EVERYTHING: Final = DecisionFilter()


def read_filter_fields(value: bytes) -> FilterFields:
    """The filter fields of a message's value, whatever it is."""
    try:
        decision: dict[str, Any] = orjson.loads(value)
        return FilterFields(
            decision["outcome"],
            decision["status"],
            decision["user_id"],
            int(decision["risk_score"]),
            frozenset(hit["rule"] for hit in decision["hits"]),
        )
    except (ValueError, TypeError, KeyError):
        return FilterFields()


_TRUTHS: Final = {"true": True, "false": False}


def parse_flag(value: object) -> object:
    """`true` or `false`, nothing else."""
    if not isinstance(value, str):
        return value
    if value not in _TRUTHS:
        raise ValueError("is neither true nor false")
    return _TRUTHS[value]


def parse_last_event_id(value: object) -> object:
    """The id of an event, as next offsets by partition; browsers that have none yet may send it empty."""
    if not isinstance(value, str):
        return value
    return read_id(value) if value.strip() else None


def parse_start(value: object) -> object:
    """`now`, `beginning`, or the id of an event."""
    if not isinstance(value, str):
        return value
    if value in {item.value for item in From}:
        return From(value)
    try:
        return read_id(value)
    except ValueError:
        raise ValueError("is neither now, beginning nor an event's id like 0:1234,1:998") from None


Flag = Annotated[bool, BeforeValidator(parse_flag), WithJsonSchema({"type": "boolean"})]
RiskScore = Annotated[int, Field(ge=0, le=100), DIGITS_ONLY]
LastEventId = Annotated[dict[int, int] | None, BeforeValidator(parse_last_event_id)]
StartText = Annotated[
    From | dict[int, int],
    BeforeValidator(parse_start),
    WithJsonSchema({"type": "string", "pattern": f"^(?:now|beginning|{ID_PATTERN})$"}),
]


class StreamParameters(BaseModel):
    """Query parameters of `/v1/decisions/stream`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: Annotated[
        StartText,
        Field(
            alias="from",
            description="`now`, `beginning`, or an event's id to resume after; header `Last-Event-ID` comes before it",
        ),
    ] = From.NOW
    flagged: Annotated[QueryParam[Flag], Field(description="whether the outcome is another one than `approve`")] = None
    outcome: QueryParam[Outcome] = None
    status: QueryParam[Status] = None
    user_id: QueryParam[Identifier] = None
    rule: Annotated[QueryParam[Identifier], Field(description="id of a rule that hit, shadow rules too")] = None
    min_risk_score: QueryParam[RiskScore] = None

    def decision_filter(self, *, masked: bool = False) -> DecisionFilter:
        """The filter, for sending with or without personal data."""
        chosen = DecisionFilter(**self.model_dump(exclude={"start"}), masked=masked)
        return EVERYTHING if chosen == EVERYTHING else chosen

    def start_after(self, last_event_id: Mapping[int, int] | None) -> Start:
        """Where to begin: a browser that reconnects sends the id, and the same URL as before."""
        return cast("Start", self.start) if last_event_id is None else last_event_id
