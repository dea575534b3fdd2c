"""Forms of a backtest's report for people: tables on a terminal, and Markdown."""

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from fraud_detector.backtest.report import Backtest, Section, headline, sections
from order_platform.command_line.output import OUT
from order_platform.command_line.terminal_text import printable


def print_report(backtest: Backtest) -> None:
    """Print the report as tables."""
    OUT.print(headline(backtest), markup=False)
    for section in sections(backtest):
        OUT.print()
        if section.rows:
            OUT.print(_table(section))
        for note in section.notes:
            OUT.print(printable(note), markup=False)


def _table(section: Section) -> Table:
    table = Table(title=section.title, title_justify="left")
    for number, column in enumerate(section.columns):
        is_number = number and all(row[number][:1].isdigit() or row[number][:1] in "+-" for row in section.rows)
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for row in section.rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table


def as_markdown(backtest: Backtest) -> str:
    """The report as Markdown, fit for a pull request."""
    return "\n".join(_lines(backtest)) + "\n"


def _lines(backtest: Backtest) -> Iterator[str]:
    yield "## Backtest"
    yield ""
    yield _escaped(headline(backtest))
    for section in sections(backtest, with_reasons=False):
        yield ""
        yield f"### {section.title}"
        yield ""
        if section.rows:
            yield f"| {' | '.join(map(_escaped, section.columns))} |"
            yield f"|{'|'.join('---' for _ in section.columns)}|"
            yield from (f"| {' | '.join(map(_escaped, row))} |" for row in section.rows)
        for note in section.notes:
            yield ""
            yield _escaped(note)


def _escaped(text: str) -> str:
    """Text that holds what an order says: it must not become a mark of its own."""
    escaped = "".join(f"\\{each}" if each in "\\`*_[]<>|~#&" else each for each in printable(text))
    for mark in ("@", "://", "www."):
        escaped = escaped.replace(mark, f"{mark[0]}\u200b{mark[1:]}")
    return escaped.replace("\n", " ")
