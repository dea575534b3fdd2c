"""`orderwatch lag`: how far the detectors are behind, and which of them reads what."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Group as Lines
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

    Asks the broker only: it works while the database or the API is unavailable.

    orderwatch lag
    orderwatch lag --watch
    orderwatch lag --json | jq .lag
    """
    kafka = kafka_settings()
    with translate_broker_errors(kafka), contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_watch(kafka, as_json=as_json) if watch else _print_once(kafka, as_json=as_json))


async def _print_once(kafka: KafkaSettings, *, as_json: bool) -> None:
    async with LagReader(kafka) as reader:
        lags, group = await _read(kafka, reader)
    if as_json:
        print_json(_lag_document(lags, group))
    else:
        OUT.print(_render(lags, group))


async def _watch(kafka: KafkaSettings, *, as_json: bool) -> None:
    async with LagReader(kafka) as reader:
        with Live(console=OUT, auto_refresh=False) if not as_json else contextlib.nullcontext() as live:
            before, at = None, time.monotonic()
            while True:
                lags, group = await _read(kafka, reader)
                now = time.monotonic()
                if live is None:
                    print_json(_lag_document(lags, group))
                else:
                    live.update(_render(lags, group, _describe_rate(before, lags, now - at)), refresh=True)
                before, at = lags, now
                await asyncio.sleep(EVERY_SECONDS)


async def _read(kafka: KafkaSettings, reader: LagReader) -> tuple[list[PartitionLag], ConsumerGroup]:
    lags = await reader.read()
    if not lags:
        raise CommandError(f"topic {kafka.orders_topic!r} does not exist", f"{command_hint('migrate')} creates it.")
    return lags, await reader.group()


def _lag_document(lags: Sequence[PartitionLag], group: ConsumerGroup) -> dict[str, object]:
    return {
        "lag": sum(each.lag for each in lags),
        "partitions": [lag_object(each) for each in lags],
        "group": asdict(group),
    }


def _render(lags: Sequence[PartitionLag], group: ConsumerGroup, pace: str = "") -> Lines:
    waiting = sum(each.lag for each in lags)
    summary = f"{waiting:,} messages wait for the detectors{pace}." if waiting else f"Nothing waits{pace}."
    return Lines(lag_table(lags, group), Text(summary, "yellow" if waiting else "green"), _describe_group(group))


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
