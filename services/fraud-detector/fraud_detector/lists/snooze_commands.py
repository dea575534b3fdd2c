"""The subcommands of `fraud-detector rules` for snoozes: snooze and end-snooze."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from fraud_detector.lists.commands import PROVENANCE, ListSettings, Reason
from fraud_detector.lists.output import describe_change, list_errors
from order_contract.business_time import business_text
from order_lists.model import SNOOZE_FIELDS, ChangeResult, check_reason, normalise_value
from order_lists.repository import Connection
from order_lists.snoozes import MAX_DAYS, end_snooze, snooze_expiry, snooze_rule
from order_platform.command_line.database import run_on_database
from order_platform.command_line.errors import ExitCode, UsageError
from order_platform.command_line.operator import current_operator
from order_platform.command_line.output import OUT
from order_platform.command_line.settings_errors import read_settings

RuleId = Annotated[str, typer.Argument(metavar="RULE", help="The rule's id.")]
User = Annotated[str | None, typer.Option(metavar="ID", help="For the orders of this user.")]
Device = Annotated[str | None, typer.Option(metavar="ID", help="For the orders from this device.")]
Address = Annotated[str | None, typer.Option(metavar="IP", help="For the orders from this IP address.")]


def snooze(
    rule: RuleId,
    *,
    user: User = None,
    device: Device = None,
    address: Address = None,
    days: Annotated[int, typer.Option(metavar="N", help=f"For orders of the next N days, {MAX_DAYS} at most.")],
    reason: Reason,
) -> None:
    """Let a rule not count for one user, device or address for some days: in force within 2 seconds.

    The rule is still evaluated, and its hit is stored with the decision as snoozed.
    """
    settings = read_settings(ListSettings)
    with list_errors():
        field, value = _subject(settings, user=user, device=device, address=address)
        why, expires_at = check_reason(reason), snooze_expiry(datetime.now(UTC), days)

        async def change(connection: Connection) -> ChangeResult:
            return await snooze_rule(
                connection, rule, field, [value],
                expires_at=expires_at, author=current_operator(), reason=why, provenance=PROVENANCE,
            )  # fmt: skip

        result = run_on_database(settings, change)
    OUT.print(
        f"rule {rule} is snoozed for {field} {value} until {business_text(expires_at)} (change {result.number:,})",
        markup=False,
    )


def end(rule: RuleId, *, user: User = None, device: Device = None, address: Address = None, reason: Reason) -> None:
    """Let a rule count again before its snooze ends; exits 1 when it was not snoozed."""
    settings = read_settings(ListSettings)
    with list_errors():
        field, value = _subject(settings, user=user, device=device, address=address)
        why = check_reason(reason)

        async def change(connection: Connection) -> ChangeResult:
            return await end_snooze(
                connection, rule, field, [value], author=current_operator(), reason=why, provenance=PROVENANCE
            )

        result = run_on_database(settings, change)
    OUT.print(describe_change(f"snooze of {rule} for {field} {value}", result), markup=False)
    raise typer.Exit(ExitCode.NEGATIVE if result.number is None else ExitCode.OK)


def _subject(settings: ListSettings, **given: str | None) -> tuple[str, str]:
    """The field and the normalised value of the one option that is given."""
    found = [(SNOOZE_FIELDS[name], value) for name, value in given.items() if value is not None]
    if len(found) != 1:
        raise UsageError(f"give one of {', '.join(f'--{name}' for name in SNOOZE_FIELDS)}", "Nothing was changed.")
    ((field, value),) = found
    return field, normalise_value(field, value, settings.event_decoder())


def add_snooze_commands(app: typer.Typer) -> None:
    """Add the subcommands to `fraud-detector rules`."""
    app.command()(snooze)
    app.command("end-snooze")(end)
