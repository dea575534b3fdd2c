"""Documents of the API's services as plain values, for templates."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson


def plain(document: object) -> Any:
    """A document with JSON that is passed on as it is stored, parsed; times become RFC 3339 text in UTC."""
    return orjson.loads(orjson.dumps(document, option=orjson.OPT_UTC_Z))


class OrderDocument(NamedTuple):
    """An order as plain values without its attributes, and these as JSON as they are stored; empty without any."""

    order: Any
    attributes: bytes


def split_order(order: Mapping[str, object]) -> OrderDocument:
    """An order for templates. Its attributes can have megabytes, which are passed on and not parsed."""
    attributes = order["attributes"]
    others = {name: value for name, value in order.items() if name != "attributes"}
    return OrderDocument(plain(others), b"" if attributes is None else orjson.dumps(attributes))
