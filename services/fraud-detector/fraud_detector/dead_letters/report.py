"""Dead letters for people and for programs."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dead_letters.model import Letter, Original, Redrive, State
from order_contract.business_time import business_text
from order_contract.error_types import describe_error_type

# Elsewhere than on a terminal, lines are as long as they need to be.
OUT = Console(highlight=False)
if not OUT.is_terminal:
    OUT = Console(highlight=False, width=240)
ERR = Console(highlight=False, stderr=True, soft_wrap=True)

SHOWN_BYTES: Final = 4000
_COLOURS: Final = {
    State.OPEN: "yellow",
    State.UNCONFIRMED: "red",
    State.STORED: "green",
    State.DUPLICATE: "green",
    State.CONFLICT: "red",
    State.DEAD_LETTER: "red",
}


def letters_table(letters: Sequence[Letter]) -> Table:
    """One line a letter."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("origin", "recorded", "error", "state"):
        table.add_column(title, no_wrap=True)
    table.add_column("what is wrong", overflow="ellipsis", no_wrap=True, ratio=1)
    for letter in letters:
        state = Text(letter.state, _COLOURS.get(letter.state, ""))
        table.add_row(str(letter.origin), _time(letter.recorded_at), letter.error_type, state, _safe(letter.error))
    return table


def error_table(letters: Sequence[Letter]) -> Table:
    """How many there are of each error type."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("error")
    table.add_column("letters", justify="right")
    for error_type, count in Counter(letter.error_type for letter in letters).most_common():
        table.add_row(error_type, f"{count:,}")
    return table


def print_letter(letter: Letter, original: Original | None, redrives: Sequence[Redrive]) -> None:
    """Everything about one letter."""
    description = describe_error_type(letter.error_type)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("origin", str(letter.origin))
    table.add_row("recorded", _time(letter.recorded_at))
    table.add_row("order", letter.order_id or "none can be read")
    table.add_row("error", Text(f"{letter.error_type}: {_safe(letter.error)}", "red"))
    if description is not None:
        table.add_row("meaning", description.meaning)
        table.add_row("what to do", description.advice)
    table.add_row("state", Text(letter.state, _COLOURS.get(letter.state, "")))
    for redrive in redrives:
        table.add_row(f"redrive {redrive.attempt}", _redrive(redrive))
    if original is None:
        table.add_row("message", Text("gone from all topics; redrive it with a corrected body (--body)", "red"))
    else:
        table.add_row("key", _bytes(original.key))
        for name, value in original.headers:
            table.add_row(f"header {_safe(name)}", _bytes(value))
        table.add_row("body", _bytes(original.value))
        table.add_row("", Text(f"as it stands on {original.topic}", "dim"))
    OUT.print(table)


def _redrive(redrive: Redrive) -> Text:
    what = "corrected" if redrive.corrected else "as it was"
    where = f"as {redrive.published_as}" if redrive.published_as else "nobody knows whether it was published"
    return Text.assemble(
        f"{_time(redrive.started_at)} by {_safe(redrive.redriven_by)}, {what}, {where}: ",
        (redrive.outcome, _COLOURS.get(redrive.outcome, "")),
    )


def _bytes(value: bytes | None) -> Text:
    if value is None:
        return Text("none", "dim")
    cut = value[:SHOWN_BYTES]
    more = f" ... ({len(value):,} bytes; --bytes writes all of them)" if len(value) > SHOWN_BYTES else ""
    return Text(_safe(cut.decode(errors="backslashreplace")) + more)


def _safe(text: str) -> str:
    """Control characters would steer the terminal."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _time(moment: datetime) -> str:
    return business_text(moment)
