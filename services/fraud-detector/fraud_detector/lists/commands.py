"""The subcommands of `fraud-detector lists`: show, at, create, add, remove, import and export."""

import csv
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.table import Table

from fraud_detector.lists.output import describe_change, entries_table, list_errors, lists_table
from order_contract.business_time import parse_typed_time
from order_lists import repository
from order_lists.csv_file import COLUMNS, EntryFile, read_entries
from order_lists.model import (
    ChangeRequest,
    ChangeResult,
    ListEntry,
    ListSpec,
    check_reason,
    check_spec,
    normalise_value,
)
from order_lists.repository import Connection
from order_platform.command_line.database import run_on_database
from order_platform.command_line.errors import ExitCode, UsageError
from order_platform.command_line.operator import current_operator
from order_platform.command_line.output import ERR, OUT, AsJson, parse_argument, print_json
from order_platform.command_line.refusals import report_refusals
from order_platform.command_line.settings_errors import read_settings
from order_platform.csv_rows import CsvFileError
from order_platform.event_settings import EventSettings
from order_platform.settings import DatabaseSettings

PAGE: Final = 5_000
PROVENANCE: Final = "command"

_time = parse_argument(parse_typed_time)

app = typer.Typer(
    no_args_is_help=True, help="Block, trust or watch users, devices and addresses: the lists that rules look into."
)

ListName = Annotated[str, typer.Argument(metavar="LIST", help="The list's name.")]
Values = Annotated[list[str], typer.Argument(metavar="VALUE...", help="As orders have them: device ids, addresses ..")]
Reason = Annotated[str, typer.Option(help="Why, for those who look at it later.")]
Expires = Annotated[
    datetime | None,
    typer.Option(parser=_time, metavar="TIME", help="Orders that are created from then on are not in the list."),
]
OneValue = Annotated[str | None, typer.Option("--value", help="Only this value.")]
Limit = Annotated[int, typer.Option(min=1, max=1_000_000, help="How many at most.")]


class ListSettings(EventSettings, DatabaseSettings):
    """Settings of `fraud-detector lists`."""


@app.command()
def show(
    name: Annotated[str | None, typer.Argument(metavar="[LIST]", help="The list's name; all lists without it.")] = None,
    *,
    value: OneValue = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Show all lists with their number of entries, or the entries of one; exits 1 when there are none."""
    settings = read_settings(ListSettings)
    if name is not None:
        _show_entries(settings, name, None, value, limit, as_json=as_json)
    lists = run_on_database(settings, lambda c: repository.list_summaries(c, kind=None, after=None, count=limit))
    _print([asdict(each) for each in lists], lists_table(lists), "there are no lists", as_json=as_json)


@app.command()
def at(
    name: ListName,
    moment: Annotated[datetime, typer.Argument(parser=_time, metavar="TIME", help="A moment in the past.")],
    *,
    value: OneValue = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Show the entries that were in a list at a moment; exits 1 when there were none."""
    _show_entries(read_settings(ListSettings), name, moment, value, limit, as_json=as_json)


@app.command()
def create(
    name: ListName,
    *,
    kind: Annotated[str, typer.Option(help="block, trust, watch or other: for people.")],
    field: Annotated[str, typer.Option(help="An order is in the list by this field: device_id, user_id ..")],
) -> None:
    """Create a list. A detector also creates those that its ruleset declares."""
    with list_errors():
        spec = check_spec(name, kind, field)
        created = run_on_database(
            read_settings(ListSettings), lambda c: repository.create_list(c, spec, current_operator())
        )
    OUT.print(f"list {spec.name} {'is created' if created else 'exists already'}: {spec.kind}, by {spec.field}")


@app.command()
def add(name: ListName, values: Values, *, reason: Reason, expires: Expires = None) -> None:
    """Add values to a list: in force in every detector within 2 seconds. A value that is there gets the new expiry."""
    settings = read_settings(ListSettings)

    async def change(connection: Connection) -> ChangeResult:
        spec = await repository.find_list(connection, name)
        wanted: dict[str, datetime | None] = dict.fromkeys(_normalise(spec, values, settings), expires)
        return await repository.change_entries(connection, _request(name, "add", reason, add=wanted))

    with list_errors():
        OUT.print(describe_change(name, run_on_database(settings, change)), markup=False)


@app.command()
def remove(name: ListName, values: Values, *, reason: Reason) -> None:
    """Remove values from a list; exits 1 when none of them was in it."""
    settings = read_settings(ListSettings)

    async def change(connection: Connection) -> ChangeResult:
        spec = await repository.find_list(connection, name)
        wanted = frozenset(_normalise(spec, values, settings))
        return await repository.change_entries(connection, _request(name, "remove", reason, remove=wanted))

    with list_errors():
        result = run_on_database(settings, change)
    OUT.print(describe_change(name, result), markup=False)
    raise typer.Exit(ExitCode.NEGATIVE if result.number is None else ExitCode.OK)


@app.command("import")
def import_(
    name: ListName,
    file: Annotated[Path, typer.Argument(help="CSV in UTF-8 with a header.")],
    *,
    reason: Reason,
    expires: Expires = None,
    refused: Annotated[Path | None, typer.Option(help="Write the refused lines to this CSV file.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file, and change nothing.")] = False,
) -> None:
    """Add the values of a CSV file to a list, as one change.

    The columns are value and, optionally, expires_at; a line without it gets --expires. Exits 1 when lines were
    refused: the others are added.
    """
    settings = read_settings(ListSettings)
    with list_errors(), ERR.status("reading") as status:
        why = check_reason(reason)
        spec = run_on_database(settings, lambda c: repository.find_list(c, name))
        found = _read(file, spec, settings, expires)
        report_refusals(file, found.refusals, refused, consequence="Nothing was changed.")
        if dry_run:
            text = f"{len(found.entries):,} values are valid, nothing was changed"
        else:
            status.update(f"adding {len(found.entries):,} values")
            request = _request(name, "import", why, provenance=f"file {file.name}", add=found.entries)
            text = describe_change(name, run_on_database(settings, lambda c: repository.change_entries(c, request)))
    OUT.print(f"{text}; {len(found.refusals):,} lines refused", markup=False)
    raise typer.Exit(ExitCode.NEGATIVE if found.refusals else ExitCode.OK)


@app.command()
def export(
    name: ListName,
    *,
    moment: Annotated[
        datetime | None, typer.Option("--at", parser=_time, metavar="TIME", help="As it was then; now without it.")
    ] = None,
) -> None:
    """Print the entries of a list as CSV, in the format that import takes."""

    async def read(connection: Connection) -> Sequence[ListEntry]:
        await repository.find_list(connection, name)
        entries: list[ListEntry] = []
        while page := await repository.list_entries(
            connection, name, at=moment, value=None, after=entries[-1].value if entries else None, count=PAGE
        ):
            entries += page
        return entries

    with list_errors():
        entries = run_on_database(read_settings(ListSettings), read)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((entry.value, entry.expires_at and entry.expires_at.isoformat()) for entry in entries)


def _read(file: Path, spec: ListSpec, settings: ListSettings, expires: datetime | None) -> EntryFile:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return read_entries(lines, spec.field, settings.event_decoder(), expires)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except CsvFileError as error:
        raise UsageError(f"{file}: {error}", "Nothing was changed.") from None


def _show_entries(
    settings: ListSettings, name: str, moment: datetime | None, value: str | None, limit: int, *, as_json: bool
) -> None:
    async def read(connection: Connection) -> tuple[ListSpec, Sequence[ListEntry]]:
        spec = await repository.find_list(connection, name)
        wanted = None if value is None else normalise_value(spec.field, value, settings.event_decoder())
        return spec, await repository.list_entries(connection, name, at=moment, value=wanted, after=None, count=limit)

    with list_errors():
        spec, entries = run_on_database(settings, read)
    nothing = f"{name} has no such entry" if value else f"{name} has no entries"
    _print([asdict(entry) for entry in entries], entries_table(spec, entries), nothing, as_json=as_json)


def _print(documents: Sequence[object], table: Table, nothing: str, *, as_json: bool) -> None:
    if as_json:
        for document in documents:
            print_json(document)
    elif documents:
        OUT.print(table)
    else:
        OUT.print(nothing, markup=False)
    raise typer.Exit(ExitCode.OK if documents else ExitCode.NEGATIVE)


def _normalise(spec: ListSpec, values: Sequence[str], settings: ListSettings) -> list[str]:
    decoder = settings.event_decoder()
    return [normalise_value(spec.field, value, decoder) for value in values]


def _request(
    name: str,
    action: str,
    reason: str,
    *,
    provenance: str = PROVENANCE,
    add: dict[str, datetime | None] | None = None,
    remove: frozenset[str] = frozenset(),
) -> ChangeRequest:
    return ChangeRequest(
        list_name=name,
        author=current_operator(),
        reason=check_reason(reason),
        provenance=provenance,
        action=action,
        add=add or {},
        remove=remove,
    )
