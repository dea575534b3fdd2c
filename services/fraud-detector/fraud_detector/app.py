"""Composition root of the detector process: its parts are built, started, watched and stopped here."""

import asyncio
import signal
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from uuid import UUID

import structlog

from decision_engine.history.stream_features import StreamFeatures
from decision_engine.lint import ruleset_warnings
from decision_engine.lists import ListMembers
from decision_engine.ruleset import Ruleset, RulesetError, load_ruleset
from fraud_detector.history.loader import LoadedHistory, load_history
from fraud_detector.labels.metrics import LabelMetrics
from fraud_detector.labels.postgres_store import PostgresLabelStore
from fraud_detector.labels.recorder import LabelRecorder
from fraud_detector.lists.follower import ListFollower
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
from fraud_detector.stream.ports import DecisionPublisher, DecisionStore, DependencyUnavailableError, OrderConsumer
from fraud_detector.stream.postgres_store import PostgresStore
from order_contract.reference_data import PaymentMethods
from order_platform.gc_tuning import freeze_startup_objects
from order_platform.health_server import HealthServer
from order_platform.postgres.shutdown_watch import watch_for_shutdown

log = structlog.get_logger()

CHECK_EVERY = 5.0
LOADING_SECONDS = 60.0


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
        epoch = await _bind(consumer, store, health, stop)
        if epoch is None:
            return
        lists = await _load_lists(database_url, ruleset, metrics, health, stop)
        if lists is None:
            return
        loaded = await _load_history(settings, ruleset, epoch, health, stop)
        if loaded is None and ruleset.features:
            return
        follower = None
        if loaded is not None:
            published = KafkaPublishedOrders(settings, epoch=epoch)
            stack.push_async_callback(published.close)
            follower = HistoryFollower(
                published, loaded.features, since=loaded.complete_at, now=lambda: datetime.now(UTC), health=health
            )
        labels = KafkaOrderConsumer(settings, settings.labels, accept_lost_offsets=settings.accept_lost_offsets)
        stack.push_async_callback(labels.close)
        rejected_labels = KafkaPublisher(settings)
        stack.push_async_callback(rejected_labels.close)
        recorder = LabelRecorder(
            labels,
            PostgresLabelStore(database_url, settings.labels),
            rejected_labels,
            now=lambda: datetime.now(UTC),
            metrics=LabelMetrics(metrics.registry),
            health=health,
        )
        pipeline = Pipeline(
            consumer,
            store,
            publisher,
            OrderEvaluator(
                settings.event_decoder(), ruleset, loaded.features if loaded else None, lists.members, epoch=epoch
            ),
            now=lambda: datetime.now(UTC),
            metrics=metrics,
            health=health,
            limits=Limits(batch_messages=settings.batch_messages, drain=settings.drain_seconds),
            dead_letter_limit=DeadLetterLimit(
                share=settings.dead_letter_limit_share, run=settings.dead_letter_limit_run
            ),
            follower=follower,
        )
        log.info(
            "detector_started", port=server.port, topic=settings.orders_topic, epoch=epoch, ruleset=ruleset.version
        )
        await retry_while_unavailable(
            lambda: consumer.join(pipeline), check=Check.JOINING, health=health, is_cancelled=stop.is_set
        )
        await stack.enter_async_context(watch_for_shutdown(database_url, store.disconnect, lists.disconnect))
        freeze_startup_objects()
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(_watch(consumer, store, metrics, health, loaded and loaded.features))
            following = group.create_task(lists.run(), name="follow lists")
            recording = group.create_task(_record_labels(recorder, stop), name="labels")
            await pipeline.run(stop)
            watching.cancel()
            following.cancel()
            await asyncio.wait([recording], timeout=settings.drain_seconds)
            recording.cancel()
    log.info("detector_stopped")


def _require_kept_features(ruleset: Ruleset) -> None:
    """Refuse rules that need what this detector does not keep, as they would never fire."""
    missing = [feature.name for feature in ruleset.features if feature.label]
    if missing:
        raise RulesetError(
            f"the ruleset declares {', '.join(missing[:5])}, but this detector keeps no labels: remove what "
            "needs them, and the rules that use it"
        )


async def _bind(consumer: OrderConsumer, store: DecisionStore, health: HealthState, stop: asyncio.Event) -> int | None:
    """The epoch of the topic that the group reads; None when the detector is stopped before that is known."""

    def is_stopped() -> bool:
        health.heartbeat()  # waiting for a dependency is not being stuck
        return stop.is_set()

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


async def _record_labels(recorder: LabelRecorder, stop: asyncio.Event) -> None:
    """Store labels until the detector is stopped."""
    epoch = await recorder.bind(stop)
    if epoch is not None:
        await recorder.run(epoch, stop)


async def _load_lists(
    database_url: str, ruleset: Ruleset, metrics: DetectorMetrics, health: HealthState, stop: asyncio.Event
) -> ListFollower | None:
    """The lists, loaded: in force from the first order on. None when the detector is stopped before."""
    follower = ListFollower(database_url, ListMembers())
    metrics.lists(follower.members, lambda: follower.age)

    def is_stopped() -> bool:
        health.heartbeat()
        return stop.is_set()

    async def load() -> ListFollower:
        await follower.load(ruleset)
        return follower

    return await retry_while_unavailable(load, check=Check.STORING, health=health, is_cancelled=is_stopped)


async def _load_history(
    settings: DetectorSettings, ruleset: Ruleset, epoch: int, health: HealthState, stop: asyncio.Event
) -> LoadedHistory | None:
    """The histories that the ruleset's features need; None when it has none, or the detector is stopped before."""
    if not ruleset.features:
        return None

    def is_stopped() -> bool:
        health.heartbeat()
        return stop.is_set()

    return await retry_while_unavailable(
        lambda: load_history(
            settings.database_url.get_secret_value(),
            ruleset.features,
            topic=settings.orders_topic,
            epoch=epoch,
            heartbeat=health.heartbeat,
        ),
        check=Check.STORING,
        health=health,
        is_cancelled=is_stopped,
        slow_after=LOADING_SECONDS,
    )


async def _watch(
    consumer: OrderConsumer,
    store: DecisionStore,
    metrics: DetectorMetrics,
    health: HealthState,
    history: StreamFeatures | None,
) -> None:
    """Check broker and database from time to time, so that one that is down is not taken for a quiet topic."""
    while True:
        metrics.list_sizes()
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
