"""Path and query parameters and request bodies of dead letters."""

from typing import Annotated, Any, Final, Literal

from fastapi import Depends, Path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

from dead_letters.model import RedriveState
from dead_letters.repository import DeadLetterFilters
from order_api.kit.pagination import CursorText
from order_api.kit.query_parameters import DIGITS_ONLY, Identifier, Limit, QueryParam, TimeBound
from order_contract.error_types import ErrorType
from order_contract.origin import Origin, parse_origin

MOST_AT_ONCE: Final = 100

_Topic = Annotated[
    str,
    Path(
        pattern="^[A-Za-z0-9._-]{1,249}(@[1-9][0-9]{0,8})?$",
        description="of the origin; `orders@2` once the topic was deleted and created again",
        examples=["orders"],
    ),
]
_Partition = Annotated[
    int,
    Field(ge=0, le=10**9 - 1),
    DIGITS_ONLY,
    Path(description="of the origin", examples=[3]),
]
_Offset = Annotated[
    int,
    Field(ge=0, le=10**18 - 1),
    DIGITS_ONLY,
    Path(description="of the origin", examples=[12345]),
]


async def _origin(topic: _Topic, partition: _Partition, offset: _Offset) -> Origin:
    return parse_origin(f"{topic}/{partition}/{offset}")


AtOrigin = Annotated[Origin, Depends(_origin)]
"""The origin that a path ends with, as it is written: `orders/3/12345`."""


class LetterParameters(BaseModel):
    """Filters of `/v1/dead-letters`."""

    model_config = ConfigDict(extra="forbid")

    error_type: Annotated[QueryParam[ErrorType], Field(description="`conflict` is one, too")] = None
    order_id: Annotated[QueryParam[Identifier], Field(description="the order that the message claims to be")] = None
    state: Annotated[QueryParam[RedriveState], Field(description="`open`, or the state of the last redrive")] = None
    recorded_from: Annotated[QueryParam[TimeBound], Field(alias="from", description="recorded at or after this")] = None
    recorded_to: Annotated[QueryParam[TimeBound], Field(alias="to", description="recorded before this")] = None
    limit: Annotated[Limit, Field(description="dead letters on a page")] = 50
    cursor: Annotated[QueryParam[CursorText], Field(description="`next` of the page before")] = None

    def criteria(self) -> DeadLetterFilters:
        """What to look for."""
        return DeadLetterFilters(**self.model_dump(exclude={"limit", "cursor"}))


class RedriveRequest(BaseModel):
    """How to redrive one dead letter; without a body, as it was."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"body": {"order_id": "o-1", "amount": 125_000_000}}]}
    )

    body: Annotated[
        dict[str, Any] | str | None,
        Field(description="the corrected order: a JSON document, or a string whose bytes are published as they are"),
    ] = None
    encoding: Annotated[Literal["text", "base64"], Field(description="of a `body` that is a string")] = "text"
    again: Annotated[StrictBool, Field(description="also when it was redriven already, or is a conflict")] = False


def _whole(value: object) -> object:
    """A JSON number without a fraction, in any spelling; nothing else that could be taken for one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise ValueError("is not a whole number")
    return int(value)


_Count = Annotated[int, Field(ge=1, le=MOST_AT_ONCE), BeforeValidator(_whole)]


class ManyRedriveRequest(BaseModel):
    """Which dead letters to redrive: those of an error type that were not redriven yet, oldest first."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"error_type": "bad-value"}]})

    error_type: ErrorType
    limit: Annotated[_Count, Field(description="how many at most")] = MOST_AT_ONCE
    again: Annotated[StrictBool, Field(description="conflicts, too")] = False
