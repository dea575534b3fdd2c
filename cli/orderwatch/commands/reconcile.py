"""`orderwatch reconcile`: what went in against what came out."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from order_contract.lag import LagReader, PartitionLag
from order_contract.settings import DatabaseSettings, KafkaSettings
from orderwatch.broker import broker_answers
from orderwatch.connection import database_settings, kafka_settings
from orderwatch.console import OUT, print_json
from orderwatch.database import database_answers, open_database
from orderwatch.decision_log import compare_decisions
from orderwatch.errors import OrderwatchError
from orderwatch.invocation import command
from orderwatch.ledger import PartitionLedger, read_ledger


def reconcile(
    wait: Annotated[float, typer.Option(help="Seconds to wait for what is on the topic now.", min=0)] = 30,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Count at once what is consumed.")] = False,
    decisions: Annotated[bool, typer.Option("--decisions", help="Compare topic decisions with Postgres, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one object.")] = False,
) -> None:
    """Count messages consumed against outcomes recorded: stored, duplicate, conflict or dead letter.

    Exits 0 when each consumed message has exactly one outcome, else 1 with the offsets at fault.

    orderwatch reconcile
    orderwatch reconcile --no-wait --json
    orderwatch reconcile --decisions
    """
    kafka, database = kafka_settings(), database_settings()
    with broker_answers(kafka), database_answers(database):
        ledgers, differences = asyncio.run(_reconcile(kafka, database, 0 if no_wait else wait, decisions=decisions))
    differences = [text for ledger in ledgers for text in ledger.differences()] + differences
    if as_json:
        partitions = [{**asdict(each), "consumed": each.consumed, "agrees": each.agrees} for each in ledgers]
        print_json({"partitions": partitions, "differences": differences})
    else:
        _show(ledgers, differences)
    raise typer.Exit(1 if differences else 0)


async def _reconcile(
    kafka: KafkaSettings, database: DatabaseSettings, wait: float, *, decisions: bool
) -> tuple[list[PartitionLedger], list[str]]:
    async with LagReader(kafka) as reader:
        positions = await _caught_up(reader, wait)
    if not positions:
        raise OrderwatchError(f"there is no topic {kafka.orders_topic!r}", f"{command('migrate')} creates it.")
    async with open_database(database) as connection:
        ledgers = await read_ledger(connection, kafka.orders_topic, positions)
        committed = {ledger.partition: ledger.committed for ledger in ledgers}
        differences = await compare_decisions(kafka, connection, committed) if decisions else []
    return ledgers, differences


async def _caught_up(reader: LagReader, seconds: float) -> list[PartitionLag]:
    """The positions once everything that is on the topic now is consumed, or when the time is over."""
    positions = await reader.read()
    target = {position.partition: position.end for position in positions}
    deadline = time.monotonic() + seconds
    while (
        any((position.committed or 0) < target[position.partition] for position in positions)
        and time.monotonic() < deadline
    ):
        await asyncio.sleep(0.2)
        positions = await reader.read()
    return positions


def _show(ledgers: Sequence[PartitionLedger], differences: Sequence[str]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold", show_footer=True)
    columns = {
        "consumed": [ledger.consumed for ledger in ledgers],
        "stored": [ledger.outcomes.stored for ledger in ledgers],
        "duplicates": [ledger.outcomes.duplicates for ledger in ledgers],
        "conflicts": [ledger.outcomes.conflicts for ledger in ledgers],
        "dead letters": [ledger.outcomes.dead_letters for ledger in ledgers],
        "waiting": [ledger.end - max(ledger.committed, ledger.beginning) for ledger in ledgers],
    }
    table.add_column("partition", footer="all")
    table.add_column("offsets")
    for title, values in columns.items():
        table.add_column(title, justify="right", footer=f"{sum(values):,}")
    table.add_column("")
    for row, ledger in enumerate(ledgers):
        table.add_row(
            str(ledger.partition),
            f"{ledger.first} to {ledger.committed - 1}" if ledger.committed > ledger.first else "none",
            *(f"{values[row]:,}" for values in columns.values()),
            "[green]agrees[/]" if ledger.agrees else "[red]differs[/]",
        )
    OUT.print(table)
    for note in (text for ledger in ledgers for text in ledger.notes()):
        OUT.print(note)
    for text in differences:
        OUT.print(text, style="red")
    if not differences:
        OUT.print("Each consumed message has exactly one outcome.", style="green")
