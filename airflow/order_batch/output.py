"""Tables of `order-batch`: marts, comparisons and orders as people read them on a terminal."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from io import StringIO
from typing import Final

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from order_batch.loads.comparison import Comparison, NotCompared
from order_batch.loads.order_lookup import LoadedOrder
from order_batch.publish.marts import FirstRows
from order_batch.warehouse.tables import Span
from order_contract.business_time import business_text
from order_platform.command_line.terminal_text import printable

# What a table's width is measured on: wider than any.
_UNBOUNDED: Final = Console(width=10_000, file=StringIO())


def order_table(order: LoadedOrder) -> Table:
    """The columns of an order in the warehouse, one per line."""
    table = Table.grid(padding=(0, 2))
    for name, value in (order.row or {"business_date": order.business_date}).items():
        table.add_row(name, _cell(value))
    table.add_row("loaded", _cell(order.loaded_at or "not yet"))
    return table


def comparison_table(found: Sequence[Comparison]) -> Table:
    """Rows and sums of each partition in Postgres and in the warehouse, and how far it has come; in red if not all the
    way. Months of the catalog that agree are left out.
    """
    table = Table("date", "of", box=None, pad_edge=False)
    for column in ("rows in Postgres", "in the warehouse", "sum in Postgres", "in the warehouse"):
        table.add_column(column, justify="right")
    table.add_column("")
    for each in found:
        if each.table.span is Span.MONTH and each.is_clean:
            continue
        held = (each.postgres.rows, each.compared.rows, each.postgres.amount, each.compared.amount)
        style = None if each.is_clean else "red"
        table.add_row(str(each.partition), each.table.name, *map(_cell, held), each.state.value, style=style)
    return table


def comparison_json(found: Comparison) -> dict[str, object]:
    """A partition's rows, sum and hash at each stage, and how far it has come."""
    stages = {"postgres": found.postgres, "warehouse": found.compared, "built": found.built}
    return {
        "table": found.table.name,
        "partition": str(found.partition),
        "state": found.state.value,
        **{name: totals and asdict(totals) for name, totals in stages.items()},
        "published": found.published._asdict(),
        "loaded_at": found.loaded and found.loaded.loaded_at,
    }


def not_compared_text(found: NotCompared) -> str | None:
    """Which orders a comparison up to yesterday leaves out; None if there are none."""
    told = []
    if found.orders_of_today:
        told.append(f"{found.orders_of_today:,} orders of {found.today}, which is not over")
    if found.orders_of_later_dates:
        told.append(f"{found.orders_of_later_dates:,} orders of later dates")
    return f"not compared: {', and '.join(told)}" if told else None


def not_compared_json(found: NotCompared) -> dict[str, object]:
    """The orders that a comparison up to yesterday leaves out."""
    return {"not_compared": asdict(found)}


def mart_table(mart: FirstRows, width: int) -> Table:
    """A mart's rows; where they are wider than `width` characters, each as lines of column and value."""
    table = Table(title=mart.name, title_justify="left")
    for place, column in enumerate(mart.columns):
        numbers = any(isinstance(row[place], int | float) for row in mart.rows)
        table.add_column(column, justify="right" if numbers else "left", no_wrap=True)
    for row in mart.rows:
        table.add_row(*map(_cell, row))
    if Measurement.get(_UNBOUNDED, _UNBOUNDED.options, table).minimum <= width:
        return table
    # A number that is cut off looks like another number.
    lines = Table(title=mart.name, title_justify="left", show_header=False)
    lines.add_column(no_wrap=True)
    lines.add_column(overflow="fold")
    for row in mart.rows:
        for column, value in zip(mart.columns, row, strict=True):
            lines.add_row(column, _cell(value))
        lines.add_section()
    return lines


def _cell(value: object) -> Text:
    """A value as it is: ids are whatever their sender chose, also what would be markup or steer the terminal."""
    return Text(printable(format_value(value)))


def format_value(value: object) -> str:
    """A value for a person: business time to the minute, numbers with thousands separators."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return business_text(value, "minutes")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
