"""Dead letters as JSON: the same from the detector's command and from the API."""

from collections.abc import Sequence

from dead_letters.model import Letter, Original, Redrive
from dead_letters.payload import readable
from order_contract.error_types import describe_error_type


def letter_object(letter: Letter) -> dict[str, object]:
    """A dead letter as it stands in a listing."""
    return {**letter._asdict(), "origin": str(letter.origin), **letter.origin._asdict()}


def letter_details(letter: Letter, original: Original | None, redrives: Sequence[Redrive]) -> dict[str, object]:
    """Everything about one letter; bytes as text, or as base64 where they are none."""
    description = describe_error_type(letter.error_type)
    message = original and {
        "topic": original.topic,
        "key": readable(original.key),
        "headers": [{"name": name, **readable(value)} for name, value in original.headers],
        "body": readable(original.value),
    }
    return {
        **letter_object(letter),
        "meaning": description and description.meaning,
        "advice": description and description.advice,
        "message": message,
        "redriven": [
            {**redrive._asdict(), "published_as": redrive.published_as and str(redrive.published_as)}
            for redrive in redrives
        ],
    }
