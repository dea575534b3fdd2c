"""`orderwatch topics`: topics, lag and last messages, for people."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from order_contract.business_time import business_text
from order_contract.message import Message
from order_platform.command_line.errors import CommandError, UsageError
from order_platform.command_line.output import ERR, OUT, print_json
from order_platform.kafka.lag import LagReader
from order_platform.kafka.topic_reader import WHOLE_TOPICS, TopicReader, TopicShape
from order_platform.settings import KafkaSettings
from orderwatch.command_hint import command_hint
from orderwatch.connections import kafka_settings, translate_broker_errors
from orderwatch.formatting import format_message, plain_bytes
from orderwatch.lag_table import lag_object, lag_table

LAST = 3
LAST_OF_ONE = 10

Show = Callable[[Message], None]


def topics(
    name: Annotated[str | None, typer.Argument(help="One topic, such as decisions; all when left out.")] = None,
    last: Annotated[
        int | None, typer.Option("--last", "-n", help=f"How many of the last messages of each; {LAST}.", min=0)
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show messages as they are added, until Ctrl-C.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="For programs: one object; with --last or --follow one message per line.")
    ] = False,
) -> None:
    """Show the topics, how far the detectors are behind, and the last messages in readable form.

    orderwatch topics
    orderwatch topics orders.dlq --last 20
    orderwatch topics orders --follow --json
    """
    if follow and name is None:
        raise UsageError("--follow requires a topic", f"For example: {command_hint('topics', 'decisions', '--follow')}")
    kafka = kafka_settings()
    show = _print_as_json if as_json else _print_for_people
    with translate_broker_errors(kafka):
        if follow and name is not None:
            with contextlib.suppress(KeyboardInterrupt):
                asyncio.run(_follow(kafka, name, show))
        elif as_json and last is None:
            asyncio.run(_summary(kafka, name))
        else:
            count = last if last is not None else (LAST if name is None else LAST_OF_ONE)
            asyncio.run(_overview(kafka, name, count, show, heading=not as_json))


async def _summary(kafka: KafkaSettings, name: str | None) -> None:
    async with TopicReader(kafka, **WHOLE_TOPICS) as reader, LagReader(kafka) as lag_reader:
        shapes = await _require_shapes(reader, name)
        lags = await lag_reader.read()
    print_json({"topics": [asdict(shape) for shape in shapes], "lag": [lag_object(lag) for lag in lags]})


async def _overview(kafka: KafkaSettings, name: str | None, count: int, show: Show, *, heading: bool) -> None:
    async with TopicReader(kafka, **WHOLE_TOPICS) as reader, LagReader(kafka) as lag_reader:
        shapes = await _require_shapes(reader, name)
        if heading:
            OUT.print(_topics_table(shapes))
            if name in {None, kafka.orders_topic}:
                OUT.print(f"\n{kafka.orders_topic} as group {kafka.consumer_group} sees it")
                OUT.print(lag_table(await lag_reader.read()))
        for shape in shapes if count else ():
            records = await reader.read_last(shape.name, count)
            if heading:
                OUT.print(f"\nlast of {shape.name}" if records else f"\nnothing on {shape.name}", style="bold")
            for record in records:
                show(record)


async def _follow(kafka: KafkaSettings, name: str, show: Show) -> None:
    async with TopicReader(kafka, **WHOLE_TOPICS) as reader:
        await _require_shapes(reader, name)
        ERR.print(f"New messages of {name}; Ctrl-C ends.", style="dim")
        async for record in reader.follow(name):
            show(record)


async def _require_shapes(reader: TopicReader, name: str | None) -> list[TopicShape]:
    shapes = [shape for shape in await reader.list_topics() if name in {None, shape.name}]
    if not shapes and name is not None:
        raise CommandError(f"topic {name!r} does not exist", f"{command_hint('topics')} lists them.")
    return shapes


def _topics_table(shapes: Sequence[TopicShape]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("topic")
    table.add_column("partitions", justify="right")
    table.add_column("messages", justify="right")
    for shape in shapes:
        table.add_row(shape.name, str(shape.partitions), f"{shape.messages:,}")
    return table


def _print_for_people(record: Message) -> None:
    at = business_text(datetime.fromtimestamp(record.timestamp / 1000, UTC), "milliseconds")
    OUT.print(
        Text(f"  {at}", "dim"),
        Text(f"{record.partition}:{record.offset}", "cyan"),
        format_message(record.key, record.value, record.headers),
        no_wrap=True,
        overflow="ellipsis",
        crop=True,
    )


def _print_as_json(record: Message) -> None:
    print_json(
        {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "timestamp": datetime.fromtimestamp(record.timestamp / 1000, UTC),
            "key": plain_bytes(record.key),
            "headers": {name: plain_bytes(value) for name, value in record.headers},
            "value": plain_bytes(record.value),
        }
    )
