"""Path and query parameters and request bodies of lists and snoozes."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from fastapi import Path
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from decision_engine.declarations import LIST_KINDS
from order_api.kit.pagination import EARLIEST, LATEST, CursorText
from order_api.kit.query_parameters import Limit, QueryParam, Text, TimeBound
from order_lists.model import MAX_REASON, SNOOZE_KIND
from order_lists.snoozes import MAX_DAYS

MOST_VALUES: Final = 500
_NAME: Final = "[A-Za-z_][A-Za-z0-9_]{0,63}"
_RULE: Final = "[a-z0-9]+(?:-[a-z0-9]+)*"

Kind = StrEnum("Kind", {kind.upper(): kind for kind in LIST_KINDS})  # type: ignore[misc]  # the engine's kinds
AnyKind = StrEnum("AnyKind", {kind.upper(): kind for kind in (*LIST_KINDS, SNOOZE_KIND)})  # type: ignore[misc]
ListName = Annotated[
    str,
    Path(
        pattern=f"^(?:{_NAME}|snooze:{_RULE}:[a-z_]+)$",
        max_length=200,
        description="of the list; `snooze:RULE:FIELD` for the snoozes of a rule",
        examples=["blocked_devices"],
    ),
]
Reason = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f-\x9f]+$", max_length=MAX_REASON)]
# A value has up to 320 characters of four bytes.
EntryCursor = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]{16,2000}$")]


class ListParameters(BaseModel):
    """Filters of `/v1/lists`."""

    model_config = ConfigDict(extra="forbid")

    kind: Annotated[QueryParam[AnyKind], Field(description="of the list; `snooze` for snoozes of rules")] = None
    limit: Annotated[Limit, Field(description="lists on a page")] = 50
    cursor: Annotated[QueryParam[CursorText], Field(description="`next` of the page before")] = None


class HistoryParameters(BaseModel):
    """Filters of all entries that a list has or had."""

    model_config = ConfigDict(extra="forbid")

    value: Annotated[QueryParam[Text], Field(description="this value, normalised as the field of orders is")] = None
    limit: Annotated[Limit, Field(description="entries on a page")] = 50
    cursor: Annotated[QueryParam[EntryCursor], Field(description="`next` of the page before")] = None


class EntryParameters(HistoryParameters):
    """Filters of the entries of a list."""

    at: Annotated[
        QueryParam[TimeBound], Field(description="as it was at this moment, for an order that was created then")
    ] = None


class NewList(BaseModel):
    """A list to create."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "blocked_devices", "kind": "block", "field": "device_id"}]},
    )

    name: Annotated[str, StringConstraints(pattern=f"^{_NAME}$")]
    kind: Annotated[Kind, Field(description="for people: what being in it means")]
    field: Annotated[Text, Field(description="a text field of orders, or `attributes.NAME`")]


def _check_expiry(moment: datetime) -> datetime:
    """Refuse a time that no order can have; one at the edge of what a datetime holds has no UTC equivalent."""
    if not EARLIEST <= moment <= LATEST:
        raise ValueError(f"is not from {EARLIEST:%Y-%m-%d} to {LATEST:%Y-%m-%d}; leave it out for no expiry")
    return moment


_Values = Annotated[list[Text], Field(min_length=1, max_length=MOST_VALUES)]


class NewEntries(BaseModel):
    """Values to add to a list, as one change."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"values": ["d-77aa"], "reason": "three chargebacks", "expires_at": "2027-01-31T00:00:00+07:00"}
            ]
        },
    )

    values: Annotated[_Values, Field(description="as orders have them")]
    reason: Annotated[Reason, Field(description="one line")]
    expires_at: Annotated[
        Annotated[AwareDatetime, AfterValidator(_check_expiry)] | None,
        Field(description="for orders that are created before; left out or null: it does not expire"),
    ] = None


class RemovedEntries(BaseModel):
    """Values to remove from a list, as one change."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"values": ["d-77aa"], "reason": "wrong device"}]}
    )

    values: Annotated[_Values, Field(description="as orders have them; one that is not in the list changes nothing")]
    reason: Annotated[Reason, Field(description="one line")]


class SnoozeField(StrEnum):
    """What a rule is snoozed for."""

    USER = "user_id"
    DEVICE = "device_id"
    ADDRESS = "ip_address"


_RuleId = Annotated[str, StringConstraints(pattern=f"^{_RULE}$", max_length=100)]


class NewSnooze(BaseModel):
    """A snooze: the rule does not count for the orders of one user, device or address."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"rule": "foreign-country", "field": "user_id", "value": "U-1042", "days": 7, "reason": "on holiday"}
            ]
        },
    )

    rule: Annotated[_RuleId, Field(description="id of a rule")]
    field: SnoozeField
    value: Annotated[Text, Field(description="the user, device or address")]
    days: Annotated[int, Field(ge=1, le=MAX_DAYS, strict=True, description="for orders that are created in these days")]
    reason: Annotated[Reason, Field(description="one line")]


class EndedSnooze(BaseModel):
    """A snooze to end before its time."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"rule": "foreign-country", "field": "user_id", "value": "U-1042", "reason": "back home"}]
        },
    )

    rule: Annotated[_RuleId, Field(description="id of a rule")]
    field: SnoozeField
    value: Annotated[Text, Field(description="the user, device or address")]
    reason: Annotated[Reason, Field(description="one line")]
