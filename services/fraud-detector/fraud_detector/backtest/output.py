"""Report of a backtest as tables on a terminal."""

from rich.table import Table
from rich.text import Text

from order_backtests.report import Backtest, Section, headline, sections
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
        table.add_column(column, justify="right" if section.is_number(number) else "left", overflow="fold")
    for row in section.rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table
