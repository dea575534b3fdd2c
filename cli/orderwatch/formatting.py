"""Formatting of values and of messages of any topic for people."""

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from rich.text import Text

from order_contract.business_time import business_text
from order_contract.dead_letter_record import ERROR
from order_platform.command_line.terminal_text import printable

SHOWN = 300
"""Characters of a message; it can be megabytes."""
_WITHOUT_EFFECT: Final = ("shadow", "snoozed")
_COLOURS = {"approve": "green", "review": "yellow", "decline": "red"}


def plain_bytes(value: bytes | None) -> str | dict[str, str] | None:
    """For JSON: the text where bytes are UTF-8, else `{"base64": ...}`."""
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value or b"").decode()}


def business_time(moment: datetime | str) -> str:
    """A moment in business time, to the second, with the zone: `2026-11-22 10:15:00 WIB`."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return business_text(moment)


def money(amount: int, currency: str) -> str:
    """An amount with thousands separators: `125,000,000 IDR`."""
    return f"{amount:,} {printable(currency)}"


def outcome_text(outcome: str, risk_score: object) -> Text:
    """`review 50`, in the outcome's colour."""
    return Text(printable(f"{outcome} {risk_score}"), _COLOURS.get(outcome, ""))


def reason(hit: Mapping[str, Any]) -> str:
    """The reason of a hit, marked when the hit does not count: of a shadow rule, or of one that is snoozed."""
    mode = hit.get("mode")
    return f"{hit.get('reason')}{f' ({mode})' if mode in _WITHOUT_EFFECT else ''}"


def reasons(hits: Sequence[Any], separator: str = "; ") -> str:
    """Why, by each rule that fired."""
    return separator.join(printable(reason(hit)) for hit in hits if isinstance(hit, dict))


def decision_text(fields: Mapping[str, Any]) -> Text:
    """A decision with its reasons."""
    return Text.assemble(
        printable(f"{fields.get('order_id')} of {fields.get('user_id')}  "),
        outcome_text(str(fields["outcome"]), fields.get("risk_score")),
        f"  {reasons(fields['hits'])}",
    )


def format_message(key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> Text:
    """What a message says: a decision with its reasons, a dead letter with its error, else its fields."""
    error = dict(headers).get(ERROR)
    if error is not None:
        return Text.assemble((_text(error), "red"), "  ", (_text(value), "dim"))
    fields = _parse_object(value)
    if fields is None:
        return Text.assemble(f"{_text(key)}  " if key else "", _text(value))
    if "outcome" in fields and "hits" in fields:
        return decision_text(fields)
    return Text("  ".join(f"{name}={_plain(value)}" for name, value in fields.items())[:SHOWN])


def _parse_object(value: bytes | None) -> dict[str, Any] | None:
    try:
        fields = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return None
    return fields if isinstance(fields, dict) and isinstance(fields.get("hits", []), list) else None


def _text(value: bytes | None) -> str:
    if value is None:
        return "(none)"
    return printable(value[:SHOWN].decode(errors="replace"))


def _plain(value: object) -> str:
    return printable((value if isinstance(value, str) else orjson.dumps(value).decode())[:SHOWN])
