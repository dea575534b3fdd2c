"""Responses about lists."""

from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

_SPEC: Final[dict[str, Any]] = {"name": "blocked_devices", "kind": "block", "field": "device_id"}
_LIST: Final[dict[str, Any]] = {
    **_SPEC,
    "entries": 1,
    "created_at": "2026-11-20T08:00:00Z",
    "created_by": "ruleset 5f0c9d1be2a84c77",
    "changed_at": "2026-11-22T03:15:00.014512Z",
    "last_change": 17,
}
_ENTRY: Final[dict[str, Any]] = {
    "value": "d-77aa",
    "expires_at": "2027-01-30T17:00:00Z",
    "added_at": "2026-11-22T03:15:00.014512Z",
    "removed_at": None,
    "author": "fraud team (3f9c0a7be412)",
    "reason": "three chargebacks",
    "provenance": "api",
    "added_in": 17,
    "removed_in": None,
    "removed_by": None,
    "removal_reason": None,
}
_CHANGE: Final[dict[str, Any]] = {"change": 17, "added": 1, "removed": 0, "unchanged": 0}


class ListSpecification(BaseModel):
    """What a list is."""

    model_config = ConfigDict(json_schema_extra={"examples": [_SPEC]})

    name: str
    kind: str
    field: Annotated[str, Field(description="an order is in the list by its value of this field")]


class ListSummary(ListSpecification):
    """A list with its size."""

    model_config = ConfigDict(json_schema_extra={"examples": [_LIST]})

    entries: Annotated[int, Field(description="that were not removed, expired ones too")]
    created_at: AwareDatetime
    created_by: str
    changed_at: Annotated[AwareDatetime | None, Field(description="null when it never had an entry")]
    last_change: Annotated[int | None, Field(description="the number of the last change")]


class ListPage(BaseModel):
    """A page of lists, in the order of their names."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_LIST], "next": None}]})

    items: list[ListSummary]
    next: Annotated[str | None, Field(description="`cursor` for the page after this; null when it is the last")]


class ListEntryDetails(BaseModel):
    """A value in a list, from one change to another."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ENTRY]})

    value: str
    expires_at: Annotated[
        AwareDatetime | None, Field(description="orders that are created from then on are not in the list")
    ]
    added_at: AwareDatetime
    removed_at: AwareDatetime | None
    author: Annotated[str, Field(description="who added it")]
    reason: str
    provenance: Annotated[str, Field(description="`api`, `command`, or the file that it came from")]
    added_in: Annotated[int, Field(description="the number of the change that added it")]
    removed_in: int | None
    removed_by: str | None
    removal_reason: Annotated[str | None, Field(description="why it was removed, or got another expiry")]


class ListEntryPage(ListSpecification):
    """A list, and a page of its entries."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_SPEC, "items": [_ENTRY], "next": None}]})

    items: list[ListEntryDetails]
    next: Annotated[str | None, Field(description="`cursor` for the page after this; null when it is the last")]


class ListChanged(BaseModel):
    """What a change did; in force in every detector within 2 seconds."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CHANGE]})

    change: Annotated[int | None, Field(description="its number, which decisions name; null: nothing had to change")]
    added: Annotated[int, Field(description="values that were added, or got another expiry")]
    removed: int
    unchanged: Annotated[int, Field(description="values that were as asked for already")]
