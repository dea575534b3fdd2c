"""`orderwatch topics`: topics, lag and last messages, for people."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import orjson
import typer
from rich.table import Table
from rich.text import Text

from order_contract.lag import LagReader, PartitionLag
from orderwatch.connection import Connection, answering, find_connection
from orderwatch.console import OUT
from orderwatch.errors import OrderwatchError
from orderwatch.readable import readable
from orderwatch.topic_reader import Record, TopicReader, TopicShape

LAST = 3


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(topics)


def topics(
    name: Annotated[str | None, typer.Argument(help="One topic, such as decisions; all when left out.")] = None,
    last: Annotated[int | None, typer.Option(help="How many of the last messages of each topic.", min=0)] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show messages as they come, until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one object; no messages.")] = False,
) -> None:
    """Show the topics, how far the detectors are behind, and the last messages in readable form."""
    if follow and name is None:
        raise OrderwatchError("--follow wants a topic", "For example: orderwatch topics decisions --follow")
    with answering():
        connection = find_connection()
        if follow and name is not None:
            with contextlib.suppress(KeyboardInterrupt):
                asyncio.run(_follow(connection, name))
        else:
            count = last if last is not None else (LAST if name is None else 10)
            asyncio.run(_overview(connection, name, 0 if as_json else count, as_json=as_json))


async def _overview(connection: Connection, name: str | None, count: int, *, as_json: bool) -> None:
    async with TopicReader(connection.kafka) as reader, LagReader(connection.kafka) as lag_reader:
        shapes = [shape for shape in await reader.shapes() if name in {None, shape.name}]
        if not shapes and name is not None:
            raise _unknown(name)
        lags = await lag_reader.read()
        if as_json:
            answer = {"topics": [asdict(shape) for shape in shapes], "lag": [_lag_object(lag) for lag in lags]}
            print(orjson.dumps(answer).decode())  # noqa: T201
            return
        OUT.print(_topics_table(shapes))
        if name in {None, connection.kafka.orders_topic}:
            OUT.print(f"\n{connection.kafka.orders_topic} as group {connection.kafka.consumer_group} sees it")
            OUT.print(_lag_table(lags))
        for shape in shapes if count else ():
            OUT.print(f"\nlast of {shape.name}", style="bold")
            _print_records(await reader.last(shape.name, count))


async def _follow(connection: Connection, name: str) -> None:
    async with TopicReader(connection.kafka) as reader:
        if name not in {shape.name for shape in await reader.shapes()}:
            raise _unknown(name)
        OUT.print(f"New messages of {name}; Ctrl-C ends.", style="dim")
        async for record in reader.follow(name):
            _print_records([record])


def _unknown(name: str) -> OrderwatchError:
    return OrderwatchError(f"there is no topic {name!r}", "`orderwatch topics` lists them.")


def _lag_object(lag: PartitionLag) -> dict[str, int | None]:
    return {**asdict(lag), "lag": lag.lag}


def _topics_table(shapes: Sequence[TopicShape]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("topic")
    table.add_column("partitions", justify="right")
    table.add_column("messages", justify="right")
    for shape in shapes:
        table.add_row(shape.name, str(shape.partitions), f"{shape.messages:,}")
    return table


def _lag_table(lags: Sequence[PartitionLag]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("partition", "oldest", "committed", "end", "lag"):
        table.add_column(title, justify="right")
    for lag in lags:
        committed = "none" if lag.committed is None else f"{lag.committed:,}"
        table.add_row(
            str(lag.partition), f"{lag.beginning:,}", committed, f"{lag.end:,}", f"{lag.lag:,}",
            style="yellow" if lag.lag else None,
        )  # fmt: skip
    return table


def _print_records(records: Sequence[Record]) -> None:
    if not records:
        OUT.print("  none", style="dim")
    for record in records:
        at = datetime.fromtimestamp(record.timestamp / 1000).astimezone()
        OUT.print(
            Text(f"  {at:%H:%M:%S.%f}"[:-3], "dim"),
            Text(f"{record.partition}:{record.offset}", "cyan"),
            readable(record.key, record.value, record.headers),
            no_wrap=True,
            overflow="ellipsis",
            crop=True,
        )
