"""Composition root of the detector process: its parts are built, started, watched and stopped here."""

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import structlog

from decision_engine.history.stream_features import StreamFeatures
from decision_engine.lint import ruleset_warnings
from decision_engine.ruleset import Ruleset, RulesetError, load_ruleset
from fraud_detector.history.snapshots import Snapshots
from fraud_detector.history.startup import start_histories
from fraud_detector.labels.metrics import LabelMetrics
from fraud_detector.labels.postgres_store import PostgresLabelStore
from fraud_detector.labels.recorder import LabelRecorder
from fraud_detector.settings import DetectorSettings
from fraud_detector.stream.dead_letter_limit import DeadLetterLimit
from fraud_detector.stream.health import Check, HealthState, log_stacks_when_stuck, retry_while_unavailable
from fraud_detector.stream.history_follower import HistoryFollower
from fraud_detector.stream.kafka_consumer import KafkaOrderConsumer
from fraud_detector.stream.kafka_published_orders import KafkaPublishedOrders
from fraud_detector.stream.kafka_publisher import KafkaPublisher
from fraud_detector.stream.metrics import DetectorMetrics
from fraud_detector.stream.order_evaluator import OrderEvaluator
from fraud_detector.stream.pipeline import Limits, Pipeline
from fraud_detector.stream.ports import (
    DecisionPublisher,
    DecisionStore,
    DependencyUnavailableError,
    OrderConsumer,
    PublishedOrders,
)
from fraud_detector.stream.postgres_store import PostgresStore
from order_contract.reference_data import PaymentMethods
from order_platform.gc_tuning import freeze_startup_objects
from order_platform.health_server import HealthServer
from order_platform.postgres.shutdown_watch import watch_for_shutdown

log = structlog.get_logger()

CHECK_EVERY = 5.0
# With history, what follows an order that turns out to be a duplicate is decided again in one go, which is to be short.
BATCH_WITH_HISTORY = 2_000


async def run(settings: DetectorSettings) -> None:
    """Decide orders until SIGTERM or SIGINT; raises what ends the process."""
    ruleset = load_ruleset(settings.rules)
    _require_kept_features(ruleset)
    methods = PaymentMethods(settings.payment_methods)
    for warning in ruleset_warnings(ruleset, str(settings.rules or "default.yaml"), methods):
        log.warning("ruleset_warning", problem=warning)
    metrics = DetectorMetrics(methods.names)
    health = HealthState(time.monotonic)
    database_url = settings.database_url.get_secret_value()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    async with AsyncExitStack() as stack:
        server = stack.enter_context(
            HealthServer(
                settings.detector_host,
                settings.detector_port,
                port_setting="ORDERWATCH_DETECTOR_PORT",
                registry=metrics.registry,
                healthy=health.unhealthy,
                ready=health.unready,
            )
        )
        stack.enter_context(log_stacks_when_stuck(asyncio.get_running_loop(), health))
        store: DecisionStore = PostgresStore(
            database_url, topic=settings.orders_topic, ruleset=ruleset, group=settings.consumer_group
        )
        stack.push_async_callback(store.close)
        publisher: DecisionPublisher = KafkaPublisher(settings)
        stack.push_async_callback(publisher.close)
        consumer: OrderConsumer = KafkaOrderConsumer(settings, accept_lost_offsets=settings.accept_lost_offsets)
        stack.push_async_callback(consumer.close)

        def is_stopped() -> bool:
            health.heartbeat()  # waiting for a dependency is not being stuck
            return stop.is_set()

        epoch = await _bind(consumer, store, health, is_stopped)
        if epoch is None:
            return
        histories = None
        if ruleset.features:
            histories = await _open_histories(stack, settings, ruleset, epoch, health=health, is_stopped=is_stopped)
            if histories is None:
                return
        history = histories and histories.features
        recorder = _create_recorder(stack, settings, metrics, health)
        pipeline = Pipeline(
            consumer,
            store,
            publisher,
            OrderEvaluator(settings.event_decoder(), ruleset, history, epoch=epoch),
            now=lambda: datetime.now(UTC),
            metrics=metrics,
            health=health,
            limits=Limits(
                batch_messages=min(settings.batch_messages, BATCH_WITH_HISTORY) if history else settings.batch_messages,
                drain=settings.drain_seconds,
            ),
            dead_letter_limit=DeadLetterLimit(
                share=settings.dead_letter_limit_share, run=settings.dead_letter_limit_run
            ),
            follower=histories and histories.follower,
        )
        log.info(
            "detector_started", port=server.port, topic=settings.orders_topic, epoch=epoch, ruleset=ruleset.version
        )
        await retry_while_unavailable(
            lambda: consumer.join(pipeline), check=Check.JOINING, health=health, is_cancelled=stop.is_set
        )
        await stack.enter_async_context(watch_for_shutdown(database_url, store.disconnect))
        freeze_startup_objects()
        async with asyncio.TaskGroup() as group:
            watching = [group.create_task(_watch(consumer, store, metrics, health, history))]
            if histories and histories.snapshots:
                snapshot = histories.snapshots.write_regularly(
                    histories.features, lambda: histories.follower.positions, pipeline.take_back_unstored
                )
                watching.append(group.create_task(snapshot))
            recording = group.create_task(_record_labels(recorder, stop), name="labels")
            await pipeline.run(stop)
            for task in watching:
                task.cancel()
            await asyncio.wait([recording], timeout=settings.drain_seconds)
            recording.cancel()
    log.info("detector_stopped")


def _require_kept_features(ruleset: Ruleset) -> None:
    """Refuse rules that need what this detector does not keep, as they would never fire."""
    missing = [feature.name for feature in ruleset.features if feature.label] + list(ruleset.schema.lists)
    if missing:
        raise RulesetError(
            f"the ruleset declares {', '.join(missing[:5])}, but this detector keeps no lists and no labels: remove "
            "what needs them, and the rules that use it"
        )


async def _bind(
    consumer: OrderConsumer, store: DecisionStore, health: HealthState, is_stopped: Callable[[], bool]
) -> int | None:
    """The epoch of the topic that the group reads; None when the detector is stopped before that is known."""

    async def identify() -> tuple[UUID | None]:
        return (await consumer.identify(),)

    identified = await retry_while_unavailable(identify, check=Check.JOINING, health=health, is_cancelled=is_stopped)
    if identified is None:
        return None
    (topic_id,) = identified
    epoch = await retry_while_unavailable(
        lambda: store.bind(topic_id), check=Check.STORING, health=health, is_cancelled=is_stopped
    )
    if epoch is not None:
        consumer.bind(epoch)
    return epoch


class Histories(NamedTuple):
    """What a ruleset with history features needs: histories, who follows other detectors, where snapshots are kept."""

    features: StreamFeatures
    follower: HistoryFollower
    snapshots: Snapshots | None


async def _open_histories(
    stack: AsyncExitStack,
    settings: DetectorSettings,
    ruleset: Ruleset,
    epoch: int,
    *,
    health: HealthState,
    is_stopped: Callable[[], bool],
) -> Histories | None:
    """Load the histories; None when the detector is stopped before."""
    published: PublishedOrders = KafkaPublishedOrders(settings, epoch=epoch)
    stack.push_async_callback(published.close)
    snapshots = None
    if settings.snapshots:
        snapshots = Snapshots(
            settings.snapshots, topic=settings.orders_topic, epoch=epoch, every=settings.snapshot_seconds
        )
    loaded = await start_histories(
        ruleset.features,
        published=published,
        snapshots=snapshots,
        database_url=settings.database_url.get_secret_value(),
        topic=settings.orders_topic,
        epoch=epoch,
        health=health,
        is_stopped=is_stopped,
    )
    if loaded is None:
        return None
    features, start = loaded
    follower = HistoryFollower(published, features, start=start, now=lambda: datetime.now(UTC), health=health)
    return Histories(features, follower, snapshots)


def _create_recorder(
    stack: AsyncExitStack, settings: DetectorSettings, metrics: DetectorMetrics, health: HealthState
) -> LabelRecorder:
    labels = KafkaOrderConsumer(settings, settings.labels, accept_lost_offsets=settings.accept_lost_offsets)
    stack.push_async_callback(labels.close)
    rejected_labels = KafkaPublisher(settings)
    stack.push_async_callback(rejected_labels.close)
    return LabelRecorder(
        labels,
        PostgresLabelStore(settings.database_url.get_secret_value(), settings.labels),
        rejected_labels,
        now=lambda: datetime.now(UTC),
        metrics=LabelMetrics(metrics.registry),
        health=health,
    )


async def _record_labels(recorder: LabelRecorder, stop: asyncio.Event) -> None:
    """Store labels until the detector is stopped."""
    epoch = await recorder.bind(stop)
    if epoch is not None:
        await recorder.run(epoch, stop)


async def _watch(
    consumer: OrderConsumer,
    store: DecisionStore,
    metrics: DetectorMetrics,
    health: HealthState,
    history: StreamFeatures | None,
) -> None:
    """Check broker and database from time to time, so that one that is down is not taken for a quiet topic."""
    while True:
        if history is not None:
            metrics.history(history.histories, history.late_orders)
        try:
            metrics.lag(await consumer.lags())
            health.recovered(Check.BROKER)
        except DependencyUnavailableError as error:
            health.unavailable(Check.BROKER, str(error))
        try:
            if await store.check():
                health.recovered(Check.DATABASE)
        except DependencyUnavailableError as error:
            health.unavailable(Check.DATABASE, str(error))
        await asyncio.sleep(CHECK_EVERY)
