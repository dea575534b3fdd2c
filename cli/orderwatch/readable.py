"""Messages of any topic as one line for a person."""

from collections.abc import Sequence
from typing import Any

import orjson
from rich.text import Text

SHOWN = 300
"""Characters of a message; it can be megabytes."""
_COLOURS = {"approve": "green", "review": "yellow", "decline": "red"}


def readable(key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> Text:
    """What a message says: a decision with its reasons, a dead letter with its error, else its fields."""
    error = dict(headers).get("error")
    if error is not None:
        return Text.assemble((_text(error), "red"), "  ", (_text(value), "dim"))
    fields = _object(value)
    if fields is None:
        return Text.assemble(f"{_text(key)}  " if key else "", _text(value))
    if "outcome" in fields and "hits" in fields:
        return _decision(fields)
    return Text("  ".join(f"{name}={_plain(value)}" for name, value in fields.items())[:SHOWN])


def _decision(fields: dict[str, Any]) -> Text:
    outcome = str(fields["outcome"])
    reasons = "; ".join(str(hit.get("reason")) for hit in fields["hits"] if isinstance(hit, dict))
    return Text.assemble(
        f"{fields.get('order_id')} of {fields.get('user_id')}  ",
        (f"{outcome} {fields.get('risk_score')}", _COLOURS.get(outcome, "")),
        f"  {reasons}",
    )


def _object(value: bytes | None) -> dict[str, Any] | None:
    try:
        fields = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return None
    return fields if isinstance(fields, dict) and isinstance(fields.get("hits", []), list) else None


def _text(value: bytes | None) -> str:
    if value is None:
        return "(none)"
    shown = value[:SHOWN].decode(errors="replace")
    # Control characters would steer the terminal.
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in shown)


def _plain(value: object) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text[:SHOWN])
