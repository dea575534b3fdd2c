"""`orderwatch reconcile`: what went in against what came out."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import asyncpg
import typer
from aiokafka.errors import UnknownTopicOrPartitionError
from rich.table import Table

from order_platform.command_line.errors import CommandError
from order_platform.command_line.output import OUT, print_json
from order_platform.kafka.lag import LagReader, PartitionLag
from order_platform.postgres.topic_epochs import find_epoch, read_epochs
from order_platform.settings import DatabaseSettings, KafkaSettings, Subscription
from orderwatch import ledger_repository
from orderwatch.command_hint import command_hint
from orderwatch.connections import (
    database_settings,
    kafka_settings,
    open_database,
    translate_broker_errors,
    translate_database_errors,
)
from orderwatch.ledger import PartitionLedger, read_earlier_ledgers, read_ledger
from orderwatch.ledger_repository import TopicEpoch
from orderwatch.published_decisions import compare_decisions


def reconcile(
    wait: Annotated[float, typer.Option(help="Seconds to wait for what is on the topic now.", min=0)] = 30,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Count at once what is consumed.")] = False,
    decisions: Annotated[bool, typer.Option("--decisions", help="Compare topic decisions with Postgres, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one object.")] = False,
) -> None:
    """Count messages consumed against outcomes recorded: stored, duplicate, conflict or dead letter.

    Of topic orders, and of topic labels, whose messages are stored or dead letters.

    Exits 0 when each message is consumed and has exactly one outcome, else 1 with the offsets at fault. Messages that
    wait count as a fault when they are not consumed in time, and with --no-wait when no detector reads them.

    orderwatch reconcile
    orderwatch reconcile --no-wait --json
    orderwatch reconcile --decisions
    """
    kafka, database = kafka_settings(), database_settings()
    with translate_broker_errors(kafka), translate_database_errors(database):
        orders, labels, differences = asyncio.run(
            _reconcile(kafka, database, None if no_wait else wait, decisions=decisions)
        )
    if as_json:
        print_json({
            "partitions": _ledger_objects(orders), "labels": _ledger_objects(labels), "differences": differences
        })  # fmt: skip
    else:
        _print_ledgers(kafka.orders_topic, orders)
        _print_ledgers(kafka.labels_topic, labels)
        for text in differences:
            OUT.print(text, style="red")
        if not differences:
            OUT.print("Each consumed message has exactly one outcome.", style="green")
    raise typer.Exit(1 if differences else 0)


async def _reconcile(
    kafka: KafkaSettings, database: DatabaseSettings, wait: float | None, *, decisions: bool
) -> tuple[list[PartitionLedger], list[PartitionLedger], list[str]]:
    """The ledgers of orders and of labels, and what differs, as sentences."""
    readings = await _read_all_positions(kafka, wait)
    async with open_database(database) as connection:
        (orders, differences), (labels, of_labels) = [await _read_topic(connection, reading) for reading in readings]
        differences += [f"topic {kafka.labels_topic}, {text}" for text in of_labels]
        current = find_epoch(await read_epochs(connection, kafka.orders_topic), readings[0].topic_id)
        if decisions and current is not None:
            committed = {ledger.partition: ledger.committed for ledger in orders if ledger.epoch == current}
            source = TopicEpoch(kafka.orders_topic, current)
            differences += await compare_decisions(kafka, connection, source, committed)
    return orders, labels, differences


class _Reading(NamedTuple):
    """How far a group read a topic, and what waits that should have been read."""

    subscription: Subscription
    topic_id: UUID | None
    positions: Sequence[PartitionLag]
    waiting: Mapping[int, dict[str, Any]]


async def _read_all_positions(kafka: KafkaSettings, wait: float | None) -> list[_Reading]:
    """Of orders and of labels, at the same time. Raises the first error, after it has ended the other reading."""
    try:
        async with asyncio.TaskGroup() as group:
            reading = [group.create_task(_read_positions(kafka, each, wait)) for each in (kafka.orders, kafka.labels)]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [each.result() for each in reading]


async def _read_positions(kafka: KafkaSettings, subscription: Subscription, wait: float | None) -> _Reading:
    async with LagReader(kafka, subscription) as reader:
        topic_id = await _require_topic_id(reader, subscription.topic)
        return _Reading(subscription, topic_id, *await _wait_until_consumed(reader, wait))


async def _read_topic(connection: asyncpg.Connection, reading: _Reading) -> tuple[list[PartitionLedger], list[str]]:
    """The ledgers of a topic, those of earlier topics of the name first, and what differs."""
    topic, group = reading.subscription
    bound = await ledger_repository.group_epoch(connection, group, topic)
    current = find_epoch(await read_epochs(connection, topic), reading.topic_id)
    ledgers = await read_earlier_ledgers(connection, group, topic, current)
    differences = []
    if current is None or (bound is not None and bound != current):
        messages = sum(position.end - position.beginning for position in reading.positions)
        differences.append(
            f"topic {topic} was deleted and created again, and group '{group}' does not read it: {messages} "
            f"messages wait. `fraud-detector accept-topic` reads them"
        )
    if current is not None:
        now = await read_ledger(connection, TopicEpoch(topic, current), reading.positions)
        ledgers += [replace(ledger, **reading.waiting.get(ledger.partition, {})) for ledger in now]
    return ledgers, [text for ledger in ledgers for text in ledger.differences()] + differences


def _ledger_objects(ledgers: Sequence[PartitionLedger]) -> list[dict[str, object]]:
    """For JSON."""
    return [{**asdict(each), "consumed": each.consumed, "agrees": each.agrees} for each in ledgers]


async def _require_topic_id(reader: LagReader, topic: str) -> UUID | None:
    try:
        return await reader.read_topic_id()
    except UnknownTopicOrPartitionError:
        raise CommandError(f"topic {topic!r} does not exist", f"{command_hint('migrate')} creates it.") from None


async def _wait_until_consumed(
    reader: LagReader, seconds: float | None
) -> tuple[list[PartitionLag], dict[int, dict[str, Any]]]:
    """The positions once everything that is on the topic now is consumed, or when the time is over; and what waits.

    Without a time, only what no detector reads counts as waiting.
    """
    positions = await reader.read()
    target = {position.partition: position.end for position in positions}
    deadline = time.monotonic() + (seconds or 0)
    while any(_count_unread(position, target) for position in positions) and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
        positions = await reader.read()
    if not any(_count_unread(position, target) for position in positions):
        return positions, {}
    read = {partition for member in (await reader.group()).members for partition in member.partitions}
    waiting: dict[int, dict[str, Any]] = {}
    for position in positions:
        if count := _count_unread(position, target):
            if position.partition not in read:
                waiting[position.partition] = {"waiting": count, "why_waiting": "no detector reads this partition"}
            elif seconds is not None:
                waiting[position.partition] = {"waiting": count, "why_waiting": f"not consumed within {seconds:g} s"}
    return positions, waiting


def _count_unread(position: PartitionLag, target: Mapping[int, int]) -> int:
    """Messages up to the target that are not consumed; of a partition that was added since, none."""
    begin = max(position.beginning, position.committed or 0)
    return max(target.get(position.partition, 0) - begin, 0)


def _print_ledgers(topic: str, ledgers: Sequence[PartitionLedger]) -> None:
    table = Table(
        title=f"topic {topic}", title_justify="left", box=None, pad_edge=False, header_style="bold", show_footer=True
    )
    epochs = {ledger.epoch for ledger in ledgers}
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
            str(ledger.partition) if len(epochs) == 1 else f"{ledger.partition} (epoch {ledger.epoch})",
            f"{ledger.first} to {ledger.committed - 1}" if ledger.committed > ledger.first else "none",
            *(f"{values[row]:,}" for values in columns.values()),
            _verdict(ledger),
        )
    OUT.print(table)
    for note in (text for ledger in ledgers for text in ledger.notes()):
        OUT.print(note)


def _verdict(ledger: PartitionLedger) -> str:
    if not ledger.agrees:
        return "[red]differs[/]"
    return "[red]waits[/]" if ledger.waiting else "[green]agrees[/]"
