"""Masking of personal data for keys that may not see it: contact data, and what customers order from.

Ids of users and orders stay: without them nothing could be followed. The setting is
ORDERWATCH_API_MASK_PERSONAL_DATA; what it masks is in docs/personal-data.md.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from decision_engine.history.declaration import ATTRIBUTE
from order_api.auth.credential_cache import Principal
from order_api.auth.keys import Role
from order_api.http.problems.requests import NotPermitted

MASK: Final = "***"
ORDER_FIELDS: Final = ("email", "ip_address", "device_id")
# Filters that would confirm a guess.
FILTERS: Final = ("ip_address", "device_id")
MART_COLUMNS: Final = frozenset(
    {"first_name", "last_name", "full_name", "email", "phone", "address", "ip_address", "device_id"}
)


@dataclass(frozen=True, slots=True)
class PersonalDataPolicy:
    """Which keys personal data is masked for: those up to a role, or `never`."""

    masked: Literal["never", "read", "review"]

    def masks(self, principal: Principal) -> bool:
        """Whether personal data is masked for a key."""
        return self.masked != "never" and Role(self.masked).includes(principal.role)


def is_personal(field: str) -> bool:
    """Whether a field of orders is personal data; attributes are: what the contract does not know may be anything."""
    return field in ORDER_FIELDS or field.startswith(ATTRIBUTE)


def reject_personal_filters(given: Mapping[str, object], personal: Iterable[str] = FILTERS) -> None:
    """For a key that personal data is masked for: raises NotPermitted for a filter by it."""
    for name in personal:
        if given.get(name) is not None:
            raise NotPermitted(f"{name} is personal data, which is masked for your key: it cannot be a filter either")


def mask_order(order: Mapping[str, Any]) -> dict[str, Any]:
    """An order as it is sent: without personal data, also where a rule's reason or a feature repeats it."""
    masked = dict(order)
    values = [str(order[name]) for name in ORDER_FIELDS if order[name]]
    for name in ORDER_FIELDS:
        masked[name] = None if order[name] is None else MASK
    for name in ("hits", "features"):
        masked[name] = _map_text(orjson.loads(bytes_of(order[name])), lambda text: _without(text, values))
    if "attributes" in masked:
        masked["attributes"] = None  # what the contract does not know may be anything
    return masked


def mask_decision(value: bytes) -> bytes:
    """A message of topic `decisions`: its reasons and texts may repeat personal data that it does not name."""
    try:
        decision = orjson.loads(value)
        for hit in decision["hits"]:
            hit["reason"] = MASK
        decision["features"] = _map_text(decision["features"], lambda _: MASK)
    except (ValueError, TypeError, KeyError):
        return b"{}"
    return orjson.dumps(decision)


def mask_row(row: Mapping[str, object]) -> dict[str, object]:
    """A row of a mart."""
    return {name: MASK if name in MART_COLUMNS and value is not None else value for name, value in row.items()}


def bytes_of(fragment: "orjson.Fragment") -> bytes:
    """The JSON text of a fragment."""
    return orjson.dumps(fragment)


def _without(text: str, values: Iterable[str]) -> str:
    for value in values:
        text = text.replace(value, MASK)
    return text


def _map_text(node: Any, change: Callable[[str], str]) -> Any:
    if isinstance(node, str):
        return change(node)
    if isinstance(node, list):
        return [_map_text(item, change) for item in node]
    if isinstance(node, dict):
        return {name: _map_text(item, change) for name, item in node.items()}
    return node
