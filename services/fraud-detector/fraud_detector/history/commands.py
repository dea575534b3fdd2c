"""The subcommand `fraud-detector features verify`."""

from typing import Annotated

import typer
from rich.table import Table

from fraud_detector.history.verification import Verification, verify_features
from order_platform.command_line.database import run_on_database
from order_platform.command_line.output import ERR, OUT, AsJson, print_json
from order_platform.command_line.progress import progress_bar
from order_platform.command_line.settings_errors import read_settings
from order_platform.settings import DatabaseSettings, KafkaSettings

MOST_SHOWN = 20


class VerificationSettings(KafkaSettings, DatabaseSettings):
    """Settings of the command: the database, and which topic the labels in it are of."""


app = typer.Typer(no_args_is_help=True, help="Look at history features of stored orders.")


@app.callback()
def features() -> None:
    """Look at history features of stored orders."""


@app.command()
def verify(
    *,
    sample: Annotated[int, typer.Option(min=1, max=100_000, help="How many orders, chosen at random.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """Compute the history features of stored orders again, by SQL, and compare.

    A value is the aggregate over the other stored orders with the same key, an event time in (t - window, t], and an
    offset below what had been seen in their partition; labels count if they had been seen. Exits 1 when a stored value
    is another one, or when there was nothing to compare.
    """
    settings = read_settings(VerificationSettings)
    with progress_bar() as progress:
        task = progress.add_task("choosing orders", total=None)

        def report(done: int, total: int) -> None:
            progress.update(task, description="computing features", completed=done, total=total)

        verification = run_on_database(
            settings, lambda database: verify_features(database, sample, settings.labels_topic, report)
        )
    if as_json:
        print_json(_as_document(verification))
    else:
        _print(verification)
    raise typer.Exit(0 if verification.orders and not verification.differences and not verification.unknown else 1)


def _as_document(verification: Verification) -> dict[str, object]:
    return {
        "orders": verification.orders,
        "values": verification.values,
        "too_late": verification.too_late,
        "unknown_rulesets": list(verification.unknown),
        "differences": [
            {
                "order_id": each.order_id,
                "feature": each.feature,
                "stored": each.stored,
                "computed": each.computed,
            }
            for each in verification.differences
        ],
    }


def _print(verification: Verification) -> None:
    if verification.unknown:
        ERR.print(f"rulesets that this release cannot read were left out: {', '.join(verification.unknown)}")
    if not verification.orders:
        OUT.print("nothing to compare: no order was decided with history features")
        return
    differences = verification.differences
    if differences:
        table = Table("order", "feature", "stored", "computed")
        for each in differences[:MOST_SHOWN]:
            table.add_row(each.order_id, each.feature, str(each.stored), str(each.computed))
        OUT.print(table)
    found = f"{len(differences):,} differences" if differences else "all as computed from the stored orders"
    OUT.print(f"{verification.values:,} values of {verification.orders:,} orders: {found}")
    if verification.too_late:
        OUT.print(f"{verification.too_late:,} more orders were too late to have history features")
