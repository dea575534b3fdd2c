"""Tables and progress of `fraud-detector dead-letters`."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from dead_letters.model import DeadLetter, OriginalMessage, Redrive, RedriveState
from dead_letters.redrive import RedriveError
from order_contract.business_time import business_text
from order_contract.error_types import describe_error_type
from order_contract.origin import Origin
from order_platform.command_line.output import ERR, OUT, print_json

Results = dict[Origin, tuple[Origin | RedriveError, RedriveState | None]]
"""By dead letter: its new origin or the reason why it was not redriven, and its state."""

SHOWN_BYTES: Final = 4000
_COLOURS: Final = {
    RedriveState.OPEN: "yellow",
    RedriveState.UNCONFIRMED: "red",
    RedriveState.STORED: "green",
    RedriveState.DUPLICATE: "green",
    RedriveState.CONFLICT: "red",
    RedriveState.DEAD_LETTER: "red",
}


def dead_letters_table(dead_letters: Sequence[DeadLetter]) -> Table:
    """One line per dead letter."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("origin", "recorded", "error", "state"):
        table.add_column(title, no_wrap=True)
    table.add_column("what is wrong", overflow="ellipsis", no_wrap=True, ratio=1)
    for each in dead_letters:
        state = Text(each.state, _COLOURS.get(each.state, ""))
        table.add_row(str(each.origin), business_text(each.recorded_at), each.error_type, state, _safe(each.error))
    return table


def error_table(dead_letters: Sequence[DeadLetter]) -> Table:
    """The number of dead letters with each error type."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("error")
    table.add_column("letters", justify="right")
    for error_type, count in Counter(each.error_type for each in dead_letters).most_common():
        table.add_row(error_type, f"{count:,}")
    return table


def print_dead_letter(dead_letter: DeadLetter, original: OriginalMessage | None, redrives: Sequence[Redrive]) -> None:
    """Everything about one dead letter."""
    description = describe_error_type(dead_letter.error_type)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("origin", str(dead_letter.origin))
    table.add_row("recorded", business_text(dead_letter.recorded_at))
    table.add_row("order", dead_letter.order_id or "none can be read")
    table.add_row("error", Text(f"{dead_letter.error_type}: {_safe(dead_letter.error)}", "red"))
    if description is not None:
        table.add_row("meaning", description.meaning)
        table.add_row("what to do", description.advice)
    table.add_row("state", Text(dead_letter.state, _COLOURS.get(dead_letter.state, "")))
    for redrive in redrives:
        table.add_row(f"redrive {redrive.attempt}", _redrive(redrive))
    if original is None:
        table.add_row("message", Text("gone from all topics; redrive it with a corrected body (--body)", "red"))
    else:
        table.add_row("key", _bytes(original.key))
        for name, value in original.headers:
            table.add_row(f"header {_safe(name)}", _bytes(value))
        table.add_row("body", _bytes(original.value))
        table.add_row("", Text(f"as it is on {original.topic}", "dim"))
    OUT.print(table)


def create_progress(*, quiet: bool) -> Progress:
    """A progress bar on the error stream, when that is a terminal."""
    columns = SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn()
    return Progress(*columns, console=ERR, transient=True, disable=quiet or not ERR.is_terminal)


def print_results(results: Results, *, as_json: bool) -> None:
    """What was redriven as which message with which state, and what was not and why."""
    if as_json:
        for origin, (result, state) in results.items():
            print_json(
                {
                    "origin": str(origin),
                    "published_as": str(result) if isinstance(result, Origin) else None,
                    "state": state,
                    "problem": str(result) if isinstance(result, RedriveError) else None,
                }
            )
        return
    for origin, (result, state) in results.items():
        if isinstance(result, RedriveError):
            ERR.print(str(result), style="red", markup=False)
        elif len(results) <= 10:
            OUT.print(f"{origin} is {result} now: {state}", markup=False)
    counts = Counter(str(state) for _, state in results.values() if state is not None)
    OUT.print("; ".join(f"{count:,} {state}" for state, count in counts.most_common()) or "Nothing was redriven.")


def _redrive(redrive: Redrive) -> Text:
    what = "corrected" if redrive.corrected else "as it was"
    where = f"as {redrive.published_as}" if redrive.published_as else "it is not known whether it was published"
    return Text.assemble(
        f"{business_text(redrive.started_at)} by {_safe(redrive.redriven_by)}, {what}, {where}: ",
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
