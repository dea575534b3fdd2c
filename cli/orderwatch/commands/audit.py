"""`orderwatch audit`: who changed lists, labels and rulesets, when and why."""

from typing import Annotated, Any, Literal

import orjson
import typer
from rich.table import Table

from order_platform.command_line.output import OUT, print_json
from order_platform.command_line.terminal_text import printable
from orderwatch.api_client import ApiClient
from orderwatch.formatting import SHOWN, business_time
from orderwatch.typed_times import parse_time_option

LIMIT = 20


def audit(  # noqa: PLR0917  (options, given by name)
    actor: Annotated[str | None, typer.Option(help="Only changes by this key, person or program.")] = None,
    action: Annotated[str | None, typer.Option(help="Only such changes: add, remove, publish, rollback ..")] = None,
    kind: Annotated[
        Literal["list", "snooze", "label", "ruleset"] | None, typer.Option(help="Only changes of this kind of thing.")
    ] = None,
    subject: Annotated[
        str | None,
        typer.Option("--id", help="Only changes of this list, rule, order or ruleset version."),
    ] = None,
    since: Annotated[str | None, typer.Option(help="Recorded since: 30m, 2h, 7d, or a date and time.")] = None,
    until: Annotated[str | None, typer.Option(help="Recorded before: as --since.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many.", min=1)] = LIMIT,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one object per line.")] = False,
) -> None:
    """Show who changed lists, labels and rulesets, when and why; newest first.

    Needs an API key of role admin. Times are business time (WIB), also those that are typed without an offset.

    orderwatch audit --kind ruleset
    orderwatch audit --kind list --id blocked_devices --since 7d
    orderwatch audit --actor "dina" --json | jq .after
    """
    filters = {
        "actor": actor, "action": action, "subject_kind": kind, "subject_id": subject,
        "from": parse_time_option(since, "--since"), "to": parse_time_option(until, "--until"),
    }  # fmt: skip
    with ApiClient.from_environment() as api:
        changes = api.audit({name: value for name, value in filters.items() if value is not None}, limit)
        if as_json:
            for change in changes:
                print_json(change)
            return
        found = list(changes)
    if not found:
        OUT.print("No change is recorded like that." if any(filters.values()) else "No change is recorded.")
        return
    table = Table("recorded", "by", "what", "reason", "before", "after", box=None, pad_edge=False, header_style="bold")
    for change in found:
        what = f"{change['action']} {change['subject_kind']} {change['subject_id']}"
        values = [change["actor"], what, change["reason"] or "", _plain(change["before"]), _plain(change["after"])]
        table.add_row(business_time(change["at"]), *map(printable, values))
    OUT.print(table)
    if len(found) == limit:
        OUT.print(f"The newest {limit}; --limit shows more.", style="dim")


def _plain(value: Any) -> str:
    return "" if value is None else orjson.dumps(value).decode()[:SHOWN]
