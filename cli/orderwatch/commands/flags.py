"""`orderwatch flags`: flagged orders and why, the newest ones or as they are decided."""

import contextlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import typer
from rich.padding import Padding
from rich.text import Text

from order_platform.command_line.errors import UsageError
from order_platform.command_line.output import ERR, OUT, print_json
from order_platform.command_line.terminal_text import printable
from orderwatch.api_client import ApiClient
from orderwatch.command_hint import command_hint
from orderwatch.decision_stream import DecisionStream
from orderwatch.formatting import business_time, decision_text, money, outcome_text, reasons
from orderwatch.typed_times import parse_time_option

LIMIT = 20
_GAP = "  "
_AMOUNT = 2  # the column that is aligned to the right


def flags(  # noqa: PLR0917  (options, given by name)
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show new ones as they are decided, until Ctrl-C.")
    ] = False,
    user: Annotated[str | None, typer.Option(help="Only orders of this user.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only orders hit by this rule, such as foreign-country.")] = None,
    outcome: Annotated[Literal["review", "decline"] | None, typer.Option(help="Only orders with this outcome.")] = None,
    country: Annotated[str | None, typer.Option(help="Only orders from this country, such as SG.")] = None,
    device: Annotated[str | None, typer.Option(help="Only orders from this device.")] = None,
    ip: Annotated[str | None, typer.Option(help="Only orders from this IP address.")] = None,
    since: Annotated[str | None, typer.Option(help="Placed since: 30m, 2h, 7d, or a date and time.")] = None,
    until: Annotated[str | None, typer.Option(help="Placed before: as --since.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", help=f"How many; {LIMIT}.", min=1)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one object per line.")] = False,
) -> None:
    """Show flagged orders, those to review or decline, with the reasons; newest first.

    Times are business time (WIB), also those that are typed without an offset.

    orderwatch flags --rule foreign-country --since 2h
    orderwatch flags --user U1042 --limit 5
    orderwatch flags --follow --outcome decline
    orderwatch flags --since 2026-11-22 --json | jq .amount
    """
    common = {"user_id": user, "rule": rule, "outcome": outcome}
    listed = {"country": country, "device_id": device, "ip_address": ip}
    if not follow:
        times = {"from": parse_time_option(since, "--since"), "to": parse_time_option(until, "--until")}
        _print_list(_drop_none({**common, **listed, **times}), LIMIT if limit is None else limit, as_json=as_json)
        return
    given = _drop_none({"country": country, "device": device, "ip": ip, "since": since, "until": until, "limit": limit})
    if given:
        raise UsageError(
            f"--{next(iter(given))} does not go with --follow, which shows new decisions",
            "With --follow there are --user, --rule and --outcome.",
        )
    with contextlib.suppress(KeyboardInterrupt):
        _follow({"flagged": "true", **_drop_none(common)}, as_json=as_json)


def _print_list(filters: dict[str, str], limit: int, *, as_json: bool) -> None:
    with ApiClient.from_environment() as api:
        orders = api.flags(filters, limit)
        if as_json:
            for order in orders:
                print_json(order)
            return
        found = list(orders)
    if not found:
        OUT.print("No flagged orders." if not filters else "No flagged orders like that.")
        return
    _print_orders(found)
    if len(found) == limit:
        OUT.print(f"The newest {limit}; --limit shows more.", style="dim")
    OUT.print(f"Why in full: {command_hint('explain', printable(found[0]['order_id']))}", style="dim", markup=False)


def _follow(filters: dict[str, str], *, as_json: bool) -> None:
    def notify(text: str) -> None:
        ERR.print(text, style="dim", markup=False)

    with ApiClient.from_environment() as api:
        for decision in DecisionStream(api, filters, notify):
            if as_json:
                print_json(decision)
            else:
                decided_at = business_time(decision["decided_at"])
                OUT.print(Text(f"{decided_at}  ", "dim") + decision_text(decision))


def _print_orders(orders: Sequence[dict[str, Any]]) -> None:
    """Two lines per order, the reasons in the second: ids stay whole and reasons readable on any terminal."""
    titles = ("placed", "outcome", "amount", "user", "order")
    rows = [
        (
            business_time(order["created_date"]),
            outcome_text(order["outcome"], order["risk_score"]),
            money(order["amount"], order["currency"]),
            printable(order["user_id"]),
            printable(order["order_id"]),
        )
        for order in orders
    ]
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    OUT.print(_format_line(titles, widths), style="bold", soft_wrap=True)
    for order, row in zip(orders, rows, strict=True):
        OUT.print(_format_line(row, widths), soft_wrap=True)
        OUT.print(Padding(Text(reasons(order["hits"], "\n"), "dim"), (0, 0, 0, widths[0] + len(_GAP))))


def _format_line(values: Sequence[str | Text], widths: Sequence[int]) -> Text:
    cells = [Text(value) if isinstance(value, str) else value.copy() for value in values]
    for position, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        cell.align("right" if position == _AMOUNT else "left", width)
    return Text(_GAP).join(cells)


def _drop_none(filters: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in filters.items() if value is not None}
