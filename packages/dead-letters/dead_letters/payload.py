"""JSON representation of keys, headers and bodies that may be any bytes."""

from base64 import b64encode


def readable(value: bytes | None) -> dict[str, str | None]:
    """Bytes as `text`, or as `base64` where they are no text; neither when there are none."""
    if value is None:
        return {"text": None, "base64": None}
    try:
        return {"text": value.decode(), "base64": None}
    except UnicodeDecodeError:
        return {"text": None, "base64": b64encode(value).decode()}
