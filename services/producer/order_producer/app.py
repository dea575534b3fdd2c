"""Composition root of the producer: builds, starts and stops its parts."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from pathlib import Path

import structlog

from marketplace_simulator.orders import OrderMessage
from order_platform.health_server import HealthServer
from order_platform.shutdown_signals import stop_on_signals
from order_producer.publish.delayed_labels import DelayedLabels
from order_producer.publish.metrics import ProducerMetrics
from order_producer.publish.publisher import Publisher
from order_producer.publish.pump import LabelFile, LabelRecorder, pump_until
from order_producer.publish.report import Report
from order_producer.publish.sink import Counts, FileSink, Sink
from order_producer.settings import ProducerSettings

log = structlog.get_logger()

# For the labels that are due when it stops, after the orders had theirs.
LABEL_SECONDS = 2.0


async def run(
    messages: AsyncIterator[OrderMessage],
    settings: ProducerSettings,
    report: Report,
    *,
    output: Path | None = None,
    labels: Path | None = None,
    label_delay: float | None = None,
    counts: Counts | None = None,
    broker_timeout: float | None = None,
) -> Counts:
    """Publish the messages, or write them to the file `output`, until their end, SIGTERM or SIGINT.

    With `label_delay` the labels of fraud orders are published on topic labels, so many seconds later on average.
    Returns the counts of their outcomes, which `counts`, if given, holds at any time. Raises OSError for files, and
    the error that stopped publishing.
    """
    stop = asyncio.Event()
    stop_on_signals(stop)
    async with AsyncExitStack() as stack:
        recorders: list[LabelRecorder] = [stack.enter_context(LabelFile(labels))]
        if label_delay is not None:
            delayed = DelayedLabels(
                settings, delay=label_delay, drain_seconds=min(settings.drain_seconds, LABEL_SECONDS)
            )
            recorders.append(await stack.enter_async_context(delayed))
        sink: Sink
        if output is None:
            sink = await _open_publisher(settings, stack, counts or Counts(), broker_timeout)
        else:
            sink = stack.enter_context(FileSink(output))
        await pump_until(stop, messages, sink, labels=recorders, report=report, drain_seconds=settings.drain_seconds)
        return sink.counts


async def iterate(messages: Iterable[OrderMessage]) -> AsyncIterator[OrderMessage]:
    """Asynchronous iterator over messages, each generated on demand."""
    for message in messages:
        yield message


async def _open_publisher(
    settings: ProducerSettings, stack: AsyncExitStack, counts: Counts, broker_timeout: float | None
) -> Publisher:
    metrics = ProducerMetrics(counts)
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
