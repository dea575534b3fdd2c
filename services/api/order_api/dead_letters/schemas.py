"""Responses about dead letters."""

from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from dead_letters.model import RedriveState
from order_contract.error_types import ERROR_DESCRIPTIONS, ErrorType

_LETTER: Final[dict[str, Any]] = {
    "origin": "orders/3/12345",
    "topic": "orders",
    "partition": 3,
    "offset": 12345,
    "epoch": 1,
    "kind": "dead-letter",
    "order_id": "o-1",
    "error_type": "bad-value",
    "error": 'country must be an ISO 3166 alpha-2 code, got "XX"',
    "recorded_at": "2026-11-22T03:15:00.014512Z",
    "redrives": 1,
    "state": "stored",
}
_REDRIVE: Final[dict[str, Any]] = {
    "attempt": 1,
    "redriven_by": "operations (4f0c9d1be2a8)",
    "corrected": True,
    "started_at": "2026-11-22T04:00:00Z",
    "published_as": "orders/3/12399",
    "published_at": "2026-11-22T04:00:00.01Z",
    "outcome": "stored",
}
_MESSAGE: Final[dict[str, Any]] = {
    "topic": "orders",
    "key": {"text": "U-1042", "base64": None},
    "headers": [{"name": "trace", "text": None, "base64": "AP8="}],
    "body": {"text": '{"order_id":"o-1","country":"XX"}', "base64": None},
}


class DeadLetterSummary(BaseModel):
    """A message that was refused."""

    model_config = ConfigDict(json_schema_extra={"examples": [_LETTER]})

    origin: Annotated[str, Field(description="topic, partition and offset: what it is known by")]
    topic: str
    partition: int
    offset: int
    epoch: Annotated[int, Field(description="which topic of that name: one more each time that it was created again")]
    kind: Annotated[str, Field(description="`dead-letter`, or `conflict`")]
    order_id: Annotated[str | None, Field(description="the order that it claims to be, where that can be read")]
    error_type: str
    error: Annotated[str, Field(description="what is wrong, with field and value")]
    recorded_at: AwareDatetime
    redrives: Annotated[int, Field(description="how often it was redriven")]
    state: Annotated[RedriveState, Field(description="`open`, or the state of the last redrive")]


class DeadLetterPage(BaseModel):
    """A page of dead letters, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_LETTER], "next": None}]})

    items: list[DeadLetterSummary]
    next: Annotated[str | None, Field(description="`cursor` for the page after this; null when it is the last")]


class Bytes(BaseModel):
    """Bytes: `text`, or `base64` where they are no text; both null when there are none."""

    text: str | None
    base64: str | None


class Header(Bytes):
    """A header of a message."""

    name: str


class DeadLetterMessage(BaseModel):
    """A message as it was published first."""

    topic: Annotated[str, Field(description="the one that still has it")]
    key: Bytes
    headers: list[Header]
    body: Bytes


class RedriveAttempt(BaseModel):
    """A time that a dead letter was redriven."""

    attempt: int
    redriven_by: str
    corrected: Annotated[bool, Field(description="with another body than the original's")]
    started_at: AwareDatetime
    published_as: Annotated[str | None, Field(description="its new origin; null when that is not known")]
    published_at: AwareDatetime | None
    outcome: RedriveState


class DeadLetterDetails(DeadLetterSummary):
    """A dead letter with what to do about it, its message, and its redrives."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_LETTER,
                    **ERROR_DESCRIPTIONS[ErrorType.BAD_VALUE]._asdict(),
                    "message": _MESSAGE,
                    "message_problem": None,
                    "redriven": [_REDRIVE],
                }
            ]
        },
    )

    meaning: Annotated[str | None, Field(description="of the error type")]
    advice: Annotated[str | None, Field(description="what to do about it")]
    message: Annotated[
        DeadLetterMessage | None, Field(description="null when it is on no topic any more, or cannot be read")
    ]
    message_problem: Annotated[
        str | None, Field(description="why the message cannot be read now; null when that is not so")
    ]
    redriven: Annotated[list[RedriveAttempt], Field(description="oldest first")]


class Redriven(BaseModel):
    """A dead letter that was published again."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"origin": "orders/3/12345", "published_as": "orders/3/12399"}]}
    )

    origin: str
    published_as: Annotated[str, Field(description="its new origin; `GET` of the old one has its outcome")]


class NotRedriven(BaseModel):
    """A dead letter that was not published again."""

    origin: str
    problem: str


class ManyRedriven(BaseModel):
    """The results of many redrives."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "redriven": [{"origin": "orders/3/12345", "published_as": "orders/3/12399"}],
                    "not_redriven": [],
                    "more": False,
                }
            ]
        }
    )

    redriven: list[Redriven]
    not_redriven: list[NotRedriven]
    more: Annotated[bool, Field(description="whether there are more of them: ask again")]
