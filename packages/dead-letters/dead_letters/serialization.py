"""Dead letters as JSON: the same from the detector's command and from the API."""

from base64 import b64encode
from collections.abc import Sequence

from dead_letters.model import DeadLetter, OriginalMessage, Redrive
from order_contract.error_types import describe_error_type


def serialize_dead_letter(dead_letter: DeadLetter) -> dict[str, object]:
    """A dead letter as an item of a list."""
    return {**dead_letter._asdict(), "origin": str(dead_letter.origin), **dead_letter.origin._asdict()}


def serialize_details(
    dead_letter: DeadLetter, original: OriginalMessage | None, redrives: Sequence[Redrive]
) -> dict[str, object]:
    """A dead letter with its error's description, its original message and its redrives."""
    description = describe_error_type(dead_letter.error_type)
    message = original and {
        "topic": original.topic,
        "key": serialize_bytes(original.key),
        "headers": [{"name": name, **serialize_bytes(value)} for name, value in original.headers],
        "body": serialize_bytes(original.value),
    }
    return {
        **serialize_dead_letter(dead_letter),
        "meaning": description and description.meaning,
        "advice": description and description.advice,
        "message": message,
        "redriven": [
            {**redrive._asdict(), "published_as": redrive.published_as and str(redrive.published_as)}
            for redrive in redrives
        ],
    }


def serialize_bytes(value: bytes | None) -> dict[str, str | None]:
    """Bytes as `text`, or as `base64` where they are not UTF-8; both null when there are none."""
    if value is None:
        return {"text": None, "base64": None}
    try:
        return {"text": value.decode(), "base64": None}
    except UnicodeDecodeError:
        return {"text": None, "base64": b64encode(value).decode()}
