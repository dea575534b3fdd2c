"""`orderwatch order`: one order with its decision."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from order_contract.origin import Origin
from order_platform.command_line.errors import CommandError
from order_platform.command_line.output import OUT, print_json
from order_platform.command_line.terminal_text import printable
from orderwatch.api_client import ApiClient, ApiProblem, Fields
from orderwatch.command_hint import command_hint
from orderwatch.formatting import business_time, money, outcome_text, reasons


def order(
    order_id: Annotated[str, typer.Argument(metavar="ID", help="The order's id, as it was published.")],
    wait: Annotated[str | None, typer.Option(help="Wait for the decision, at most so long: 10s; up to 30s.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="For programs: one object, the order or why there is none.")
    ] = False,
) -> None:
    """Show an order with its decision, as the API tells it.

    Exits 1 when there is no decision: the order is unknown, not decided yet, or its message was bad data.

    orderwatch order 01KAPB3J9D8GQY7S2V0V4N6R1M
    orderwatch order 01KAPB3J9D8GQY7S2V0V4N6R1M --wait 10s --json
    """
    try:
        with ApiClient.from_environment() as api:
            found = api.order(order_id, wait)
    except ApiProblem as problem:
        if as_json:
            print_json(problem.document)
            raise typer.Exit(_explain_problem(problem, order_id).exit_code) from problem
        raise _explain_problem(problem, order_id) from problem
    if as_json:
        print_json(found)
    else:
        _print_order(found)


def _origin(source: Mapping[str, Any]) -> Origin:
    return Origin(source["topic"], source["partition"], source["offset"], source["epoch"])


def _explain_problem(problem: ApiProblem, order_id: str) -> CommandError:
    document = problem.document
    if problem.code == "order-unknown-or-undecided":
        return _unknown(order_id, document.get("lag"))
    if problem.code == "order-dead-lettered":
        origin = str(_origin(document["source"]))
        return CommandError(
            f"order {order_id!r} was not decided, its message {origin} is bad data: {document['error']}",
            f"Publish it again with that corrected. The message as it came: {command_hint('explain', origin)}",
        )
    return problem


def _unknown(order_id: str, lag: int | None) -> CommandError:
    if lag == 0:
        return CommandError(
            f"order {order_id!r} was not published: no decision is stored, and no message waits for the detector",
            "Check the id, and that the producer's message was acknowledged.",
        )
    waiting = "how many messages wait is not known" if lag is None else f"{lag:,} messages wait for the detector"
    return CommandError(
        f"order {order_id!r} is unknown or not decided yet: {waiting}",
        f"Wait for it: {command_hint('order', order_id, '--wait', '30s')}; "
        f"or look at the detector: {command_hint('lag')}",
    )


def _print_order(found: Fields) -> None:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in _format_lines(found).items():
        grid.add_row(name, value if isinstance(value, Text) else Text(printable(str(value), keep="\n")))
    OUT.print(grid)
    OUT.print(f"How it came to that: {command_hint('explain', found['order_id'])}", style="dim", markup=False)


def _format_lines(found: Fields) -> dict[str, object]:
    optional = ("device_id", "ip_address", "voucher_code", "email", "shipping_country")
    lines: dict[str, Any] = {
        "order": found["order_id"],
        "decision": outcome_text(found["outcome"], found["risk_score"]) + Text(f"  {found['status']}", "dim"),
        "why": reasons(found["hits"], "\n") or "no rule fired",
        **_format_label(found.get("label")),
        "user": found["user_id"],
        "product": f"{found['quantity']:,} x {found['product_id']}",
        "amount": f"{money(found['amount'], found['currency'])} by {found['payment_method']}",
        "country": found["country"],
        **{name.replace("_", " "): found[name] for name in optional if found[name] is not None},
        "placed": business_time(found["created_date"]),
        "decided": f"{business_time(found['decided_at'])} by ruleset {found['ruleset_version']}",
        "features": ", ".join(f"{name}={value}" for name, value in found["features"].items()),
        "came from": str(_origin(found["source"])),
    }
    if found["attributes"]:
        lines["attributes"] = ", ".join(f"{name}={value}" for name, value in found["attributes"].items())
    return lines


def _format_label(label: Fields | None) -> dict[str, str]:
    """The line of the newest label; none without one, and of an API that does not tell."""
    if label is None:
        return {}
    author = f"{label['author']}, " if label["author"] else ""
    return {"label": f"{label['label']}  by {author}{label['source']}, {business_time(label['at'])}"}
