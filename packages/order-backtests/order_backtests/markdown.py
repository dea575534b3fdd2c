"""Report of a backtest as Markdown, fit for a pull request."""

from collections.abc import Iterator

from order_backtests.report import Backtest, headline, sections
from order_platform.command_line.terminal_text import printable


def as_markdown(backtest: Backtest) -> str:
    """The report as Markdown. Examples name the rules, as reasons may quote personal data."""
    return "\n".join(_lines(backtest)) + "\n"


def _lines(backtest: Backtest) -> Iterator[str]:
    yield "## Backtest"
    yield ""
    yield escape_markdown(headline(backtest))
    for section in sections(backtest, with_reasons=False):
        yield ""
        yield f"### {section.title}"
        yield ""
        if section.rows:
            yield f"| {' | '.join(map(escape_markdown, section.columns))} |"
            yield f"|{'|'.join('---' for _ in section.columns)}|"
            yield from (f"| {' | '.join(map(escape_markdown, row))} |" for row in section.rows)
        for note in section.notes:
            yield ""
            yield escape_markdown(note)


def escape_markdown(text: str) -> str:
    """Text that holds what an order or a rule says, on one line: it must not become a mark of its own."""
    escaped = "".join(f"\\{each}" if each in "\\`*_[]<>|~#&" else each for each in printable(text))
    for mark in ("@", "://", "www."):
        escaped = escaped.replace(mark, f"{mark[0]}\u200b{mark[1:]}")
    return escaped.replace("\n", " ")
