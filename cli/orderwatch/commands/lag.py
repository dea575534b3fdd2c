"""`orderwatch lag`: how far the detectors are behind, and which of them reads what."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import Annotated, NamedTuple, Self

import typer
from rich.console import Group as Lines
from rich.console import RenderableType
from rich.live import Live
from rich.text import Text

from order_platform.command_line.errors import CommandError
from order_platform.command_line.output import OUT, print_json
from order_platform.kafka.lag import ConsumerGroup, LagReader, PartitionLag
from order_platform.settings import KafkaSettings
from orderwatch.command_hint import command_hint
from orderwatch.connections import kafka_settings, translate_broker_errors
from orderwatch.lag_table import lag_object, lag_table

EVERY_SECONDS = 1.0


def lag(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Refresh every second, until Ctrl-C.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="For programs: one object; with --watch one object per line.")
    ] = False,
) -> None:
    """Show the messages that wait for the detectors, partition by partition, and who reads which.

    Of topic orders, and of topic labels where any label waits to be stored.

    Asks the broker only: it works while the database or the API is unavailable.

    orderwatch lag
    orderwatch lag --watch
    orderwatch lag --json | jq .lag
    """
    kafka = kafka_settings()
    with translate_broker_errors(kafka):
        if watch:
            with contextlib.suppress(KeyboardInterrupt):
                asyncio.run(_watch(kafka, as_json=as_json))
        else:
            asyncio.run(_print_once(kafka, as_json=as_json))


async def _print_once(kafka: KafkaSettings, *, as_json: bool) -> None:
    async with _Readers(kafka) as readers:
        reading = await readers.read()
    if as_json:
        print_json(_lag_document(reading))
    else:
        OUT.print(_render(reading))


async def _watch(kafka: KafkaSettings, *, as_json: bool) -> None:
    async with _Readers(kafka) as readers:
        with Live(console=OUT, auto_refresh=False) if not as_json else contextlib.nullcontext() as live:
            before, at = None, time.monotonic()
            while True:
                reading = await readers.read()
                now = time.monotonic()
                if live is None:
                    print_json(_lag_document(reading))
                else:
                    live.update(_render(reading, _describe_rate(before, reading.orders, now - at)), refresh=True)
                before, at = reading.orders, now
                await asyncio.sleep(EVERY_SECONDS)


class _Reading(NamedTuple):
    """What waits on topic orders, with the group that reads it, and on topic labels; nothing without that topic."""

    orders: Sequence[PartitionLag]
    group: ConsumerGroup
    labels: Sequence[PartitionLag]


class _Readers:
    """Readers of both topics' lags, kept open. Use as an async context manager."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._orders = await stack.enter_async_context(LagReader(self._kafka))
            self._labels = await stack.enter_async_context(LagReader(self._kafka, self._kafka.labels))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    async def read(self) -> _Reading:
        lags = await self._orders.read()
        if not lags:
            raise CommandError(
                f"topic {self._kafka.orders_topic!r} does not exist", f"{command_hint('migrate')} creates it."
            )
        return _Reading(lags, await self._orders.group(), await self._labels.read())


def _lag_document(reading: _Reading) -> dict[str, object]:
    return {
        "lag": sum(each.lag for each in reading.orders),
        "partitions": [lag_object(each) for each in reading.orders],
        "group": asdict(reading.group),
        "labels": {
            "lag": sum(each.lag for each in reading.labels),
            "partitions": [lag_object(each) for each in reading.labels],
        },
    }


def _render(reading: _Reading, pace: str = "") -> Lines:
    waiting = sum(each.lag for each in reading.orders)
    summary = f"{waiting:,} messages wait for the detectors{pace}." if waiting else f"Nothing waits{pace}."
    lines: list[RenderableType] = [
        lag_table(reading.orders, reading.group),
        Text(summary, "yellow" if waiting else "green"),
        _describe_group(reading.group),
    ]
    if labels := sum(each.lag for each in reading.labels):
        lines += [Text(f"{labels:,} labels wait to be stored:", "yellow"), lag_table(reading.labels)]
    return Lines(*lines)


def _describe_group(group: ConsumerGroup) -> Text:
    """The state of the group as a sentence."""
    count = len(group.members)
    if not count:
        return Text(f"No detector is reading (group {group.name} is {group.state}); `make up` or "
                    "`fraud-detector run` starts one.", "red")  # fmt: skip
    detectors = "1 detector reads" if count == 1 else f"{count} detectors share the work"
    if group.state == "Stable":
        return Text(f"{detectors} (group {group.name}).")
    return Text(f"The partitions are being assigned again among {count} detectors ({group.state}).", "yellow")


def _describe_rate(before: Sequence[PartitionLag] | None, now: Sequence[PartitionLag], seconds: float) -> str:
    """The group's rate, and when it will be done."""
    if before is None:
        return ""
    done = sum(each.committed or 0 for each in now) - sum(each.committed or 0 for each in before)
    came = sum(each.end for each in now) - sum(each.end for each in before)
    pace = f"; {done / seconds:,.0f} a second are decided, {came / seconds:,.0f} a second come"
    waiting = sum(each.lag for each in now)
    if waiting and done > came:
        pace += f": done in about {waiting * seconds / (done - came):,.0f} s"
    return pace
