"""Rendering of an explanation: as text for people, as a JSON document for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from order_platform.command_line.terminal_text import printable
from orderwatch.explain.explanation import Explanation, Section
from orderwatch.formatting import business_time, plain_bytes

SHOWN = 1_000
"""Characters of a value; a message can be megabytes."""
_COUNTED = {"amount", "quantity", "bytes"}


def explanation_document(explanation: Explanation) -> dict[str, object]:
    """For JSON; bytes are text where they are UTF-8, else `{"base64": ...}`."""
    return {
        "subject": explanation.subject,
        "agrees": explanation.agrees,
        "verdict": explanation.verdict(),
        "sections": [_plain(asdict(section)) for section in explanation.sections],
    }


def print_explanation(console: Console, explanation: Explanation) -> None:
    """Print all sections, and the verdict."""
    for section in explanation.sections:
        if section.facts or section.rows or section.notes or section.differences:
            _print_section(console, section)
    colour = "green" if explanation.agrees else "bold red"
    console.print(Text(printable(explanation.verdict()), colour), soft_wrap=True)


def _print_section(console: Console, section: Section) -> None:
    console.print(Text.assemble((printable(section.title), "bold"), *_agreement(section)), soft_wrap=True)
    if section.facts:
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="cyan", no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value in section.facts.items():
            grid.add_row(f"  {printable(name)}", Text(_format_value(value, name)))
        console.print(grid)
    if section.rows:
        console.print(_table(section.rows))
    for note in section.notes:
        console.print(Text(f"  {printable(note)}", "yellow"), soft_wrap=True)
    for sentence in section.sentences():
        console.print(Text(f"  {printable(sentence)}", "red"), soft_wrap=True)
    console.print()


def _agreement(section: Section) -> Sequence[tuple[str, str]]:
    if section.differences:
        return [("   differs", "red")]
    return [] if section.checked is None else [(f"   agrees: {section.checked}", "green")]


def _table(rows: Sequence[Mapping[str, object]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="cyan", padding=(0, 2, 0, 0))
    table.add_column("")
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        style = "yellow" if row.get("fires") is True else None
        table.add_row("", *(Text(_format_value(value, name)) for name, value in row.items()), style=style)
    return table


def _format_value(value: object, name: str = "") -> str:
    match value:
        case None:
            text = "none"
        case bool():
            text = "yes" if value else "no"
        case int() if name in _COUNTED:
            text = f"{value:,}"
        case datetime():
            text = business_time(value)
        case bytes():
            text = printable(value[: SHOWN * 4].decode(errors="replace"), keep="\n")
        case Mapping():
            text = ", ".join(f"{printable(str(key))}={_format_value(item, str(key))}" for key, item in value.items())
        case list() | tuple():
            text = "\n".join(_format_value(item) for item in value)
        case _:
            text = printable(str(value))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... (cut)"


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return plain_bytes(value)
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
