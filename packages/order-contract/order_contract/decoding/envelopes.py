"""Detection of orders that are wrapped in another message: change events, connectors' formats, cloud events."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson

from order_contract.event import FIELDS

_REQUIRED: Final = frozenset(
    {"order_id", "user_id", "product_id", "quantity", "amount", "payment_method", "country", "created_date"}
)
# An object with this many of the required fields is an order.
_ENOUGH: Final = 4
_MAX_TEXT: Final = 1024 * 1024
_DEPTH: Final = 3


class _Kind(NamedTuple):
    names: frozenset[str]
    what: str
    advice: str


_KINDS: Final = (
    _Kind(
        frozenset({"specversion", "type", "source"}),
        "a CloudEvents envelope",
        'publish its "data" as the message (binary content mode keeps the rest in headers)',
    ),
    _Kind(
        frozenset({"op", "after"}),
        "a change event of Debezium",
        'publish its "after" as the message (the transformation ExtractNewRecordState does that)',
    ),
    _Kind(
        frozenset({"before", "after"}),
        "a change event of Debezium",
        'publish its "after" as the message (the transformation ExtractNewRecordState does that)',
    ),
    _Kind(
        frozenset({"schema", "payload"}),
        "Kafka Connect's JSON with a schema",
        'publish its "payload" as the message (value.converter.schemas.enable=false does that)',
    ),
    _Kind(frozenset({"database", "table", "data"}), "a change event of Maxwell", 'publish its "data" as the message'),
    _Kind(
        frozenset({"operationType", "fullDocument"}),
        "a change event of MongoDB",
        'publish its "fullDocument" as the message',
    ),
    _Kind(frozenset({"Type", "MessageId", "Message"}), "an Amazon SNS notification", 'publish its "Message"'),
    _Kind(frozenset({"detail-type", "detail"}), "an Amazon EventBridge event", 'publish its "detail" as the message'),
)


def describe_envelope(raw: Mapping[str, Any]) -> str | None:
    """What an object without an order's fields wraps the order in, and what to do; None when it is not wrapped."""
    if raw.keys() >= {"schema", "payload"} and isinstance(payload := raw["payload"], dict):
        inner = _kind_of(payload)
        if inner is not None:
            return (
                f"the message is {inner.what} within Kafka Connect's JSON with a schema; "
                f"set value.converter.schemas.enable=false, and {inner.advice}"
            )
    kind = _kind_of(raw)
    if kind is not None:
        return f"the message is {kind.what}, not an order; {kind.advice}"
    path = _path_to_order(raw, 0)
    if path:
        return f'the order is wrapped in another object; publish its "{".".join(path)}" as the message'
    return None


def _kind_of(raw: Mapping[str, Any]) -> _Kind | None:
    return next((kind for kind in _KINDS if raw.keys() >= kind.names), None)


def _path_to_order(value: object, depth: int) -> tuple[str, ...] | None:
    if isinstance(value, str):
        value = _read(value)
    if not isinstance(value, dict) or depth > _DEPTH:
        return None
    if depth and looks_like_order(value):
        return ()
    for name, member in list(value.items())[:50]:
        path = _path_to_order(member, depth + 1)
        if path is not None:
            return (name[:64], *path)
    return None


def looks_like_order(value: object) -> bool:
    """Whether enough of an order's fields are there to call it one."""
    return isinstance(value, dict) and len(_REQUIRED & value.keys()) >= _ENOUGH


def describe_other_json(raw: object) -> str:
    """What JSON that is not an object is, and what to write instead."""
    if isinstance(raw, list):
        if raw and isinstance(raw[0], dict) and (kind := _kind_of(raw[0])) is not None:
            return (
                f"it is a list of {len(raw):,}, the first {kind.what}; send one object per message, and {kind.advice}"
            )
        return f"it is a list of {len(raw):,}; send one object per message"
    if isinstance(raw, str):
        if isinstance(_read(raw), dict):
            return "it is text that holds JSON (encoded twice); publish the object itself"
        return "it is a text"
    if raw is None:
        return "it is null"
    return f"it is {'true or false' if isinstance(raw, bool) else 'a number'}"


def similar_name(field: str, names: Mapping[str, Any]) -> str | None:
    """The name among `names` that is another spelling of a missing field: orderId, Order-ID, ORDER_ID."""
    wanted = _plain(field)
    return next((name for name in list(names)[:200] if name not in FIELDS and _plain(name) == wanted), None)


def _plain(name: str) -> str:
    return "".join(each for each in name[:64].casefold() if each.isalnum())


def _read(text: str) -> object:
    if text.lstrip()[:1] != "{" or len(text) > _MAX_TEXT:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
