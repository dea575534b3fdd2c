"""The parameters of the stream."""

from collections.abc import Mapping
from typing import Annotated, Final, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from order_api.decisions.position import ID_PATTERN, read_id
from order_api.decisions.stream import From, Start
from order_api.decisions.wanted import EVERYTHING, Wanted
from order_api.parameters import DIGITS_ONLY, Identifier, Optional
from order_contract.decision import Outcome, Status

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
            description="`now`, `beginning`, or an event's id to go on after; header `Last-Event-ID` comes before it",
        ),
    ] = From.NOW
    flagged: Annotated[Optional[Flag], Field(description="whether the outcome is another one than `approve`")] = None
    outcome: Optional[Outcome] = None
    status: Optional[Status] = None
    user_id: Optional[Identifier] = None
    rule: Annotated[Optional[Identifier], Field(description="id of a rule that hit, shadow rules too")] = None
    min_risk_score: Optional[RiskScore] = None

    def wanted(self, *, masked: bool = False) -> Wanted:
        """What to send, with or without personal data."""
        wanted = Wanted(**self.model_dump(exclude={"start"}), masked=masked)
        return EVERYTHING if wanted == EVERYTHING else wanted

    def begins(self, last_event_id: Mapping[int, int] | None) -> Start:
        """Where to begin: a browser that comes back sends the id, and the same URL as before."""
        return cast("Start", self.start) if last_event_id is None else last_event_id
