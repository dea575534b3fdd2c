"""Lists, their entries and changes, the errors of changing them, and how a value is normalised."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from decision_engine import list_values
from decision_engine.declarations import LIST_KINDS
from decision_engine.schema import DEFAULT_SCHEMA
from order_contract.decoding.decoder import EventDecoder
from order_contract.nearest import nearest_name

SNOOZE_KIND: Final = "snooze"
"""The kind of lists whose members a rule is snoozed for."""
SNOOZE_FIELDS: Final[Mapping[str, str]] = {"user": "user_id", "device": "device_id", "address": "ip_address"}
"""What a rule can be snoozed for, by the word that people write."""
LIST_FIELDS: Final = tuple(
    name for name, kind in {**DEFAULT_SCHEMA.fields, **DEFAULT_SCHEMA.optional}.items() if kind is str
)
MAX_REASON: Final = 500

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_ATTRIBUTE_NAME: Final = re.compile(r"attributes\.[A-Za-z_][A-Za-z0-9_]{0,63}")


class ListError(ValueError):
    """A list cannot be read or changed as asked for; the text says why and what to do."""


class UnknownListError(ListError):
    """No list has this name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        nearest = nearest_name(name[:64], {each: each for each in known})
        hint = f"the nearest is {nearest}" if nearest else "create it, or declare it in the ruleset of a detector"
        super().__init__(f"list '{name[:64]}' does not exist; {hint}")


class OtherListError(ListError):
    """A list of this name exists with another kind or field."""


class ListSpec(NamedTuple):
    """What a list is: an order is in it by its `field`."""

    name: str
    kind: str
    field: str


@dataclass(frozen=True, slots=True)
class OrderListSummary:
    """A list with the number of its entries, and when they were last changed."""

    name: str
    kind: str
    field: str
    entries: int
    created_at: datetime
    created_by: str
    changed_at: datetime | None
    last_change: int | None


@dataclass(frozen=True, slots=True)
class ListEntry:
    """A value in a list, from one change to another; `expires_at` is about orders that are created from then on."""

    value: str
    expires_at: datetime | None
    added_at: datetime
    removed_at: datetime | None
    author: str
    reason: str
    provenance: str
    added_in: int
    removed_in: int | None
    removed_by: str | None
    removal_reason: str | None
    """Why the value was removed, or got another expiry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRequest:
    """Values to add, each with its expiry, and values to remove, as one change."""

    list_name: str
    author: str
    reason: str
    provenance: str
    action: str
    add: Mapping[str, datetime | None] = field(default_factory=dict)
    remove: frozenset[str] = frozenset()


class ChangeResult(NamedTuple):
    """What a change did; `number` is None when there was nothing to change."""

    number: int | None
    added: int
    removed: int
    unchanged: int


def check_spec(name: str, kind: str, field_name: str) -> ListSpec:
    """What a list is, checked. Raises ListError."""
    if _NAME.fullmatch(name) is None:
        raise ListError(f"'{name[:64]}' is not a name of a list; write letters, digits and _, as in blocked_devices")
    if kind not in LIST_KINDS:
        raise ListError(f"kind '{kind[:64]}' is none of {', '.join(LIST_KINDS)}")
    if field_name not in LIST_FIELDS and _ATTRIBUTE_NAME.fullmatch(field_name) is None:
        nearest = nearest_name(field_name[:64], {each: each for each in LIST_FIELDS})
        hint = f"write {nearest}" if nearest else f"there are {', '.join(LIST_FIELDS)}, attributes.NAME"
        raise ListError(f"'{field_name[:64]}' is not a text field of an order; {hint}")
    return ListSpec(name, kind, field_name)


def check_reason(reason: str) -> str:
    """A reason without surrounding spaces. Raises ListError."""
    text = reason.strip()
    if not text or len(text) > MAX_REASON or not text.isprintable():
        raise ListError(f"a reason is one line of 1 to {MAX_REASON} characters; it is shown with the entry")
    return text


def normalise_value(field_name: str, value: str, decoder: EventDecoder) -> str:
    """A value as the detector normalises the field of an order. Raises ListError."""
    try:
        return list_values.normalise_value(field_name, value, decoder)
    except ValueError as error:
        raise ListError(str(error)) from None
