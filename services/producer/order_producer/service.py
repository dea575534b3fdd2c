"""The producer as a process: its parts put together, started, watched and stopped."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from pathlib import Path

import structlog

from marketplace_simulator.orders import OrderMessage
from order_platform.health_server import HealthServer
from order_producer.counts import Counts
from order_producer.feed import feed_until
from order_producer.metrics import Metrics
from order_producer.publisher import Publisher
from order_producer.report import Report
from order_producer.settings import ProducerSettings
from order_producer.sink import FileSink, Sink
from order_producer.truth import TruthFile

log = structlog.get_logger()


async def run(
    messages: AsyncIterator[OrderMessage],
    settings: ProducerSettings,
    report: Report,
    *,
    output: Path | None = None,
    truth: Path | None = None,
    counts: Counts | None = None,
    broker_timeout: float | None = None,
) -> Counts:
    """Carry the messages to topic orders, or to the file `output`, until their end, SIGTERM or SIGINT.

    Returns what became of them; `counts`, when given, is kept up to date with that. Raises OSError for files, and what
    made publishing pointless.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        truth_file = stack.enter_context(TruthFile(truth))
        sink: Sink
        if output is None:
            sink = await _publisher(settings, stack, counts or Counts(), broker_timeout)
        else:
            sink = stack.enter_context(FileSink(output))
        await feed_until(stop, messages, sink, truth=truth_file, report=report, drain_seconds=settings.drain_seconds)
        return sink.counts


async def as_asked(messages: Iterable[OrderMessage]) -> AsyncIterator[OrderMessage]:
    """Messages that are made when they are asked for."""
    for message in messages:
        yield message


async def _publisher(
    settings: ProducerSettings, stack: AsyncExitStack, counts: Counts, broker_timeout: float | None
) -> Publisher:
    metrics = Metrics(counts)
    publisher = Publisher(settings, counts, metrics, broker_timeout=broker_timeout)
    if settings.producer_port is not None:
        health = stack.enter_context(
            HealthServer(
                settings.producer_host,
                settings.producer_port,
                port_setting="ORDERWATCH_PRODUCER_PORT",
                registry=metrics.registry,
                healthy=lambda: None,
                ready=publisher.problem,
            )
        )
        log.info("health_served", port=health.port)
    return await stack.enter_async_context(publisher)
