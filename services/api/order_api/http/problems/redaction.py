"""Redaction: what of a request may be repeated in a response, short, printable and without secrets."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

import orjson

MAX_SHOWN: Final = 120
HIDDEN: Final = "(hidden)"

# Looked at; more of a value is never shown.
_MAX_READ: Final = 2_000
_SECRET: Final = re.compile(
    r"(?i)(?<![a-z0-9])ows?_[a-z0-9_-]{6,}"  # our own keys and sessions, cut and changed ones too
    r"|(?<![a-z0-9])(?:bearer|basic|digest)\s+\S+"
    r"|(?=[a-z0-9+/_=]*[0-9])(?=[a-z0-9+/_=]*[a-z])[a-z0-9+/_=]{40,}"  # of any other system
)
_SECRET_NAME: Final = re.compile(r"(?i)key|token|secret|passw|pwd|auth|cookie|credential|session|bearer|signature")


def redact(value: object) -> str:
    """A value for an error text: cut, with secrets hidden, and without what JSON cannot carry."""
    text = value if isinstance(value, str) else _text(value)
    text = _SECRET.sub(HIDDEN, text[:_MAX_READ])
    text = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}... (cut)"
    return text.encode("utf-8", "replace").decode()


def redact_value(names: tuple[object, ...], value: object) -> str:
    """The value of a field; hidden when the field's name says that it is a secret."""
    if any(_SECRET_NAME.search(name[:_MAX_READ]) for name in names if isinstance(name, str)):
        return HIDDEN
    if isinstance(value, dict) and any(_SECRET_NAME.search(name) for name in _names(value)):
        return HIDDEN
    return redact(value)


def _names(value: dict[object, object]) -> Iterator[str]:
    """The first names of an object; those after them are beyond what is shown."""
    return (str(name)[:_MAX_READ] for name in islice(value, MAX_SHOWN))


def _text(value: object) -> str:
    """As JSON, like the client wrote it; large objects and lists only by their kind."""
    if isinstance(value, dict) and len(value) > MAX_SHOWN:
        return f"an object of {len(value):,} members"
    if isinstance(value, list | tuple) and len(value) > MAX_SHOWN:
        return f"a list of {len(value):,} values"
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return str(value)
