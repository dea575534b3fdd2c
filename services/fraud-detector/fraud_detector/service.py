"""The detector as a process: its parts put together, started, watched and stopped."""

import asyncio
import signal
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import structlog

from fraud_detector.rules.engine import Engine
from fraud_detector.rules.ruleset import load_ruleset
from fraud_detector.settings import DetectorSettings
from fraud_detector.stream.judge import Judge
from fraud_detector.stream.kafka_announcer import KafkaAnnouncer
from fraud_detector.stream.kafka_log import KafkaOrderLog
from fraud_detector.stream.metrics import Metrics
from fraud_detector.stream.pipeline import Limits, Pipeline
from fraud_detector.stream.ports import UnavailableError
from fraud_detector.stream.postgres_store import PostgresStore
from fraud_detector.stream.retry import until_available
from fraud_detector.stream.status import Dependency, Status
from order_contract.codes import PaymentMethods
from order_contract.database_watch import leaving_at_shutdown
from order_contract.garbage import collect_rarely
from order_contract.health import HealthServer

log = structlog.get_logger()

WATCH_EVERY = 5.0


async def run(settings: DetectorSettings) -> None:
    """Decide orders until SIGTERM or SIGINT; raises what must not be survived."""
    ruleset = load_ruleset(settings.rules)
    metrics = Metrics(PaymentMethods(settings.payment_methods).names)
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
        store = PostgresStore(settings.database_url.get_secret_value(), topic=settings.orders_topic, ruleset=ruleset)
        stack.push_async_callback(store.close)
        announcer = KafkaAnnouncer(settings)
        stack.push_async_callback(announcer.close)
        order_log = KafkaOrderLog(settings, accept_lost_offsets=settings.accept_lost_offsets)
        pipeline = Pipeline(
            order_log,
            store,
            announcer,
            Judge(settings.event_decoder(), Engine(ruleset)),
            now=lambda: datetime.now(UTC),
            metrics=metrics,
            status=status,
            limits=Limits(batch_messages=settings.batch_messages, drain=settings.drain_seconds),
        )
        log.info("detector_started", port=health.port, topic=settings.orders_topic, ruleset=ruleset.version)
        stack.push_async_callback(order_log.leave)
        await until_available(
            lambda: order_log.join(pipeline), dependency=Dependency.BROKER, status=status, pointless=stop.is_set
        )
        await stack.enter_async_context(leaving_at_shutdown(settings.database_url.get_secret_value(), store.leave))
        collect_rarely()
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(_watch(order_log, store, metrics, status))
            await pipeline.run(stop)
            watching.cancel()
    log.info("detector_stopped")


async def _watch(order_log: KafkaOrderLog, store: PostgresStore, metrics: Metrics, status: Status) -> None:
    """Ask broker and database from time to time: one that is dead must not be taken for a quiet topic."""

    database_away = False
    while True:
        try:
            metrics.lag(await order_log.lags())
            status.back(Dependency.BROKER)
        except UnavailableError as error:
            status.away(Dependency.BROKER, str(error))
        try:
            await store.check()
        except UnavailableError as error:
            status.away(Dependency.DATABASE, str(error))
            database_away = True
        else:
            # Only what was found here: a database can answer this and still refuse to store, as one that is full.
            if database_away:
                status.back(Dependency.DATABASE)
            database_away = False
        await asyncio.sleep(WATCH_EVERY)
