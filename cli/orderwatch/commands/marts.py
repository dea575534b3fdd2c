"""`orderwatch marts`: the published marts, or the first rows of one."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from order_platform.command_line.errors import UsageError
from order_platform.command_line.output import OUT, print_json
from order_platform.command_line.terminal_text import printable
from orderwatch.api_client import ApiClient, Fields
from orderwatch.formatting import business_time

ROWS = 10


def marts(
    name: Annotated[str | None, typer.Argument(metavar="MART", help="One mart; without it, the list of all.")] = None,
    user: Annotated[str | None, typer.Option(help="Only rows of this user, where the mart has users.")] = None,
    product: Annotated[str | None, typer.Option(help="Only rows of this product, where it has products.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", help=f"How many rows; {ROWS}.", min=1)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one object per mart or row.")] = False,
) -> None:
    """Show the warehouse's marts: up to which business date they have data, and when they were published.

    orderwatch marts
    orderwatch marts mart_user_blacklist_status --limit 20
    orderwatch marts mart_user_product_habits --user U1042 --json
    """
    filters = {key: value for key, value in (("user_id", user), ("product_id", product)) if value is not None}
    if name is None and (filters or limit is not None):
        raise UsageError(
            "--user, --product and --limit are about the rows of a mart", "Name one: orderwatch marts MART"
        )
    with ApiClient.from_environment() as api:
        if name is None:
            _show_list(api.marts(), as_json=as_json)
            return
        mart, rows = api.mart(name, filters, ROWS if limit is None else limit)
    if as_json:
        for row in rows:
            print_json(row)
        return
    _show_rows(mart, rows)


def _show_list(found: Sequence[Fields], *, as_json: bool) -> None:
    if as_json:
        for mart in found:
            print_json(mart)
        return
    if not found:
        OUT.print("No mart is published yet: the first load publishes them, `make batch DATE=...` or Airflow.")
        return
    table = Table("mart", box=None, pad_edge=False)
    table.add_column("rows", justify="right")
    table.add_column("data up to")
    table.add_column("published")
    for mart in found:  # an API of an earlier release does not say how far the data reach
        table.add_row(
            mart["name"], f"{mart['rows']:,}", mart.get("data_up_to") or "", business_time(mart["published_at"])
        )
    OUT.print(table)


def _show_rows(mart: Fields, rows: Sequence[Fields]) -> None:
    """Each row as lines of column and value: a table of many columns would be cut off."""
    up_to = f"data up to {mart.get('data_up_to')}, " if mart.get("data_up_to") else ""
    OUT.print(Text(printable(mart["description"])))
    OUT.print(f"{up_to}published {business_time(mart['published_at'])}; {mart['rows']:,} rows", markup=False)
    if not rows:
        OUT.print("No rows match." if mart["rows"] else "It has no rows.")
        return
    lines = Table(show_header=False, box=None, pad_edge=False)
    lines.add_column(style="cyan", no_wrap=True)
    lines.add_column(overflow="fold")
    for number, row in enumerate(rows):
        if number:
            lines.add_row("", "")
        for column in mart["columns"]:
            lines.add_row(column["name"], _cell(row[column["name"]], column["type"]))
    OUT.print(lines)


def _cell(value: object, kind: str) -> Text:
    if value is None:
        return Text("")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, int):
        return Text(f"{value:,}")
    if isinstance(value, float):
        return Text(f"{value:,.4f}")
    return Text(business_time(str(value)) if kind == "date-time" else printable(str(value)))
