"""The detector as a process: its parts put together, started, watched and stopped."""

import asyncio
import signal
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from uuid import UUID

import structlog

from decision_engine.engine import Engine
from decision_engine.lint import ruleset_warnings
from decision_engine.ruleset import load_ruleset
from fraud_detector.settings import DetectorSettings
from fraud_detector.stream.judge import Judge
from fraud_detector.stream.kafka_announcer import KafkaAnnouncer
from fraud_detector.stream.kafka_log import KafkaOrderLog
from fraud_detector.stream.metrics import Metrics
from fraud_detector.stream.pipeline import Limits, Pipeline
from fraud_detector.stream.ports import UnavailableError
from fraud_detector.stream.postgres_store import PostgresStore
from fraud_detector.stream.retry import until_available
from fraud_detector.stream.status import Check, Status
from order_contract.reference_data import PaymentMethods
from order_platform.gc_tuning import collect_rarely
from order_platform.health_server import HealthServer
from order_platform.postgres.shutdown_watch import leaving_at_shutdown

log = structlog.get_logger()

WATCH_EVERY = 5.0


async def run(settings: DetectorSettings) -> None:
    """Decide orders until SIGTERM or SIGINT; raises what must not be survived."""
    ruleset = load_ruleset(settings.rules)
    methods = PaymentMethods(settings.payment_methods)
    for warning in ruleset_warnings(ruleset, str(settings.rules or "default.yaml"), methods):
        log.warning("ruleset_warning", problem=warning)
    metrics = Metrics(methods.names)
    status = Status(time.monotonic)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    async with AsyncExitStack() as stack:
        health = stack.enter_context(
            HealthServer(
                settings.detector_host,
                settings.detector_port,
                port_setting="ORDERWATCH_DETECTOR_PORT",
                registry=metrics.registry,
                healthy=status.unhealthy,
                ready=status.unready,
            )
        )
        store = PostgresStore(
            settings.database_url.get_secret_value(),
            topic=settings.orders_topic,
            ruleset=ruleset,
            group=settings.consumer_group,
        )
        stack.push_async_callback(store.close)
        announcer = KafkaAnnouncer(settings)
        stack.push_async_callback(announcer.close)
        order_log = KafkaOrderLog(settings, accept_lost_offsets=settings.accept_lost_offsets)
        stack.push_async_callback(order_log.leave)
        epoch = await _bind(order_log, store, status, stop)
        if epoch is None:
            return
        pipeline = Pipeline(
            order_log,
            store,
            announcer,
            Judge(settings.event_decoder(), Engine(ruleset), epoch),
            now=lambda: datetime.now(UTC),
            metrics=metrics,
            status=status,
            limits=Limits(batch_messages=settings.batch_messages, drain=settings.drain_seconds),
        )
        log.info(
            "detector_started", port=health.port, topic=settings.orders_topic, epoch=epoch, ruleset=ruleset.version
        )
        await until_available(
            lambda: order_log.join(pipeline), check=Check.JOINING, status=status, pointless=stop.is_set
        )
        await stack.enter_async_context(leaving_at_shutdown(settings.database_url.get_secret_value(), store.leave))
        collect_rarely()
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(_watch(order_log, store, metrics, status))
            await pipeline.run(stop)
            watching.cancel()
    log.info("detector_stopped")


async def _bind(order_log: KafkaOrderLog, store: PostgresStore, status: Status, stop: asyncio.Event) -> int | None:
    """The epoch of the topic that the group reads; None when the detector is stopped before that is known."""

    async def bind() -> int:
        return await store.bind(topic_id)

    async def identify() -> tuple[UUID | None]:
        return (await order_log.identify(),)

    identified = await until_available(identify, check=Check.JOINING, status=status, pointless=stop.is_set)
    if identified is None:
        return None
    (topic_id,) = identified
    epoch = await until_available(bind, check=Check.STORING, status=status, pointless=stop.is_set)
    if epoch is not None:
        order_log.bind(epoch)
    return epoch


async def _watch(order_log: KafkaOrderLog, store: PostgresStore, metrics: Metrics, status: Status) -> None:
    """Ask broker and database from time to time: one that is dead must not be taken for a quiet topic."""
    while True:
        try:
            metrics.lag(await order_log.lags())
            status.back(Check.BROKER)
        except UnavailableError as error:
            status.away(Check.BROKER, str(error))
        try:
            if await store.check():
                status.back(Check.DATABASE)
        except UnavailableError as error:
            status.away(Check.DATABASE, str(error))
        await asyncio.sleep(WATCH_EVERY)
