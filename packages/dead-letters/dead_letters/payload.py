"""The bytes of an order that may be none: as much of them as can be read, and a form that JSON can carry."""

from base64 import b64encode

import orjson

from order_contract.event import readable_id


def claimed_id(value: bytes | None, field: str) -> str | None:
    """The id that a message claims in `field`, None when none can be read."""
    try:
        fields = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return None
    return readable_id(fields.get(field)) if isinstance(fields, dict) else None


def readable(value: bytes | None) -> dict[str, str | None]:
    """Bytes as `text`, or as `base64` where they are no text; neither when there are none."""
    if value is None:
        return {"text": None, "base64": None}
    try:
        return {"text": value.decode(), "base64": None}
    except UnicodeDecodeError:
        return {"text": None, "base64": b64encode(value).decode()}
