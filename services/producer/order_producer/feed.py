"""Carries messages from where they come from to where they go, until there are no more or it is told to stop."""

import asyncio
from collections.abc import AsyncIterator

from marketplace_simulator.orders import OrderMessage
from order_producer.report import Report
from order_producer.sink import Sink
from order_producer.truth import TruthFile

# A busy loop lets acknowledgements and signals through this often.
_TURN = 64


async def feed(messages: AsyncIterator[OrderMessage], sink: Sink, truth: TruthFile) -> None:
    """Hand over every message, write down the truth of those that were, and wait until all are settled."""
    count = 0
    async for message in messages:
        await sink.put(message)
        if message.pattern is not None:
            truth.record(message.name, message.pattern)
        count += 1
        if count % _TURN == 0:
            await asyncio.sleep(0)
    await sink.settled()


async def feed_until(
    stop: asyncio.Event,
    messages: AsyncIterator[OrderMessage],
    sink: Sink,
    *,
    truth: TruthFile,
    report: Report,
    drain_seconds: float,
) -> None:
    """Feed, reporting on it, to the end or until `stop`; then what is on its way has `drain_seconds` to arrive.

    Raises what made an end to it, after the same drain. The sink's counts say what became of the messages.
    """
    feeding = asyncio.create_task(feed(messages, sink, truth))
    stopping = asyncio.create_task(stop.wait())
    reporting = asyncio.create_task(_keep_reporting(report, sink))
    try:
        await asyncio.wait((feeding, stopping), return_when=asyncio.FIRST_COMPLETED)
        feeding.cancel()
        [ended] = await asyncio.gather(feeding, return_exceptions=True)
        reason = await _drain(sink, drain_seconds)
        sink.give_up(reason)
    finally:
        stopping.cancel()
        reporting.cancel()
    report.finish(sink.counts)
    if isinstance(ended, Exception):
        raise ended


async def _drain(sink: Sink, seconds: float) -> str:
    """Wait for what is on its way; returns why what still is then has failed."""
    try:
        async with asyncio.timeout(seconds):
            await sink.settled()
    except TimeoutError:
        return f"not acknowledged within {seconds:g} s of stopping"
    except Exception as error:  # noqa: BLE001  (it is what ended the feed, which raises it)
        return str(error)
    return ""


async def _keep_reporting(report: Report, sink: Sink) -> None:
    while True:
        await asyncio.sleep(report.every)
        report.update(sink.counts)
