"""The subcommand `fraud-detector labels import`."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from fraud_detector.labels.csv_file import LabelFile, read_labels
from fraud_detector.labels.publisher import NotPublishedError, publish_labels
from order_contract.label import LabelEvent
from order_platform.command_line.errors import ExitCode, UnavailableError, UsageError
from order_platform.command_line.operator import current_operator
from order_platform.command_line.output import ERR, OUT
from order_platform.command_line.refusals import report_refusals
from order_platform.command_line.settings_errors import read_settings
from order_platform.csv_rows import CsvFileError
from order_platform.kafka_client_log import silence_kafka_client
from order_platform.settings import KafkaSettings

app = typer.Typer(no_args_is_help=True, help="Publish labels: what orders turned out to be.")


@app.callback()
def labels() -> None:
    """Publish labels: what orders turned out to be."""


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV in UTF-8 with a header.")],
    *,
    source: Annotated[str, typer.Option(help="Source of the lines that name none.")] = "import",
    author: Annotated[
        str | None, typer.Option(help="Author of the lines that name none.", show_default="user@host")
    ] = None,
    refused: Annotated[Path | None, typer.Option(help="Write the refused lines to this CSV file.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file, and publish nothing.")] = False,
) -> None:
    """Publish the labels of a CSV file on topic labels.

    The columns are order_id and label (fraud, legitimate or chargeback), and optionally source, author, at, note
    and reason; a line without `at` gets the time of the import. Exits 1 when lines were refused: the
    others are published.
    """
    now = datetime.now(UTC)
    defaults = {"source": source, "author": author or current_operator()}
    found = _read(file, {**defaults, "at": now.isoformat()}, now)
    report_refusals(file, found.refusals, refused, consequence="Nothing was published.")
    if dry_run:
        OUT.print(f"{len(found.events):,} labels are valid, {len(found.refusals):,} lines refused; nothing published")
    else:
        asyncio.run(_publish(read_settings(KafkaSettings), found.events))
        OUT.print(f"{len(found.events):,} labels published, {len(found.refusals):,} lines refused")
    if found.refusals:
        raise typer.Exit(ExitCode.NEGATIVE)


def _read(file: Path, defaults: dict[str, str], latest: datetime) -> LabelFile:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return read_labels(lines, defaults, latest)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except CsvFileError as error:
        raise UsageError(f"{file}: {error}", "Nothing was published.") from None


async def _publish(settings: KafkaSettings, events: Sequence[LabelEvent]) -> None:
    if not events:
        return
    silence_kafka_client()
    acknowledged = 0
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=ERR, transient=True, disable=not ERR.is_terminal) as progress:
        task = progress.add_task("publishing", total=len(events))
        try:
            async for acknowledged in publish_labels(settings, events):
                progress.update(task, completed=acknowledged)
        except NotPublishedError as error:
            raise UnavailableError(
                str(error),
                f"{acknowledged:,} of {len(events):,} labels are known to be published. Import the file again: "
                "a label that is published twice says the same.",
            ) from None
