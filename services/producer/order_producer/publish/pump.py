"""Pump: moves messages from a source to a sink until the end or a stop, and writes their labels."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Protocol, Self

import orjson

from marketplace_simulator.orders import OrderMessage
from order_producer.publish.report import Report
from order_producer.publish.sink import Sink


class LabelRecorder(Protocol):
    """What is done with the labels of generated orders."""

    def record(self, order_id: str, pattern: str) -> None:
        """An order belongs to a fraud pattern."""


class LabelFile:
    """File of labels: one JSON line, order_id and pattern, per order of a fraud pattern. Use as a context manager.

    Orders that are not in it are legitimate. Without a path nothing is written.
    """

    def __init__(self, path: Path | None) -> None:
        # Line-buffered: a concurrent reader sees whole lines, and a kill loses none.
        self._file = None if path is None else path.open("w", buffering=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._file is not None:
            self._file.close()

    def record(self, order_id: str, pattern: str) -> None:
        """Record that an order belongs to a pattern."""
        if self._file is not None:
            self._file.write(orjson.dumps({"order_id": order_id, "pattern": pattern}).decode() + "\n")


# How often a busy loop yields to acknowledgements and signals, in messages.
_YIELD_EVERY = 64


async def pump(messages: AsyncIterator[OrderMessage], sink: Sink, labels: Sequence[LabelRecorder]) -> None:
    """Put every message into the sink, record the labels, and flush."""
    count = 0
    async for message in messages:
        await sink.put(message)
        if message.pattern is not None:
            for each in labels:
                each.record(message.name, message.pattern)
        count += 1
        if count % _YIELD_EVERY == 0:
            await asyncio.sleep(0)
    await sink.flush()


async def pump_until(
    stop: asyncio.Event,
    messages: AsyncIterator[OrderMessage],
    sink: Sink,
    *,
    labels: Sequence[LabelRecorder],
    report: Report,
    drain_seconds: float,
) -> None:
    """Pump and report until the end or `stop`; then unacknowledged messages have `drain_seconds` to arrive.

    Raises the error that ended it, after the same drain. The sink counts the outcomes of the messages.
    """
    pumping = asyncio.create_task(pump(messages, sink, labels))
    stopping = asyncio.create_task(stop.wait())
    reporting = asyncio.create_task(_keep_reporting(report, sink))
    try:
        await asyncio.wait((pumping, stopping), return_when=asyncio.FIRST_COMPLETED)
        pumping.cancel()
        [ended] = await asyncio.gather(pumping, return_exceptions=True)
        reason = await _drain(sink, drain_seconds)
        sink.give_up(reason)
    finally:
        stopping.cancel()
        reporting.cancel()
    report.finish(sink.counts)
    if isinstance(ended, Exception):
        raise ended


async def _drain(sink: Sink, seconds: float) -> str:
    """Wait for unacknowledged messages; returns the reason why the rest has failed."""
    try:
        async with asyncio.timeout(seconds):
            await sink.flush()
    except TimeoutError:
        return f"not acknowledged within {seconds:g} s of stopping"
    except Exception as error:  # noqa: BLE001  (the pump ended with it and raises it)
        return str(error)
    return ""


async def _keep_reporting(report: Report, sink: Sink) -> None:
    while True:
        await asyncio.sleep(report.every)
        report.update(sink.counts)
