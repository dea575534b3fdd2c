"""Composition root of the detector process: its parts are built, started, watched and stopped here."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

import structlog

from decision_engine.history.series_functions import KERNEL_IS_COMPILED
from decision_engine.lint import ruleset_warnings
from decision_engine.lists import ListMembers
from decision_engine.marketplace_pack import add_marketplace_pack
from decision_engine.pack_mode import PackMode
from decision_engine.rollout import DecidingRulesets, Rollout
from decision_engine.ruleset import Ruleset, RulesetError, load_ruleset, parse_ruleset
from fraud_detector.labels.label_tasks import LabelTasks
from fraud_detector.labels.metrics import LabelMetrics
from fraud_detector.lists.follower import ListFollower
from fraud_detector.preparation import Preparation
from fraud_detector.settings import DetectorSettings
from fraud_detector.stream.active_ruleset import ActiveRuleset
from fraud_detector.stream.dead_letter_limit import DeadLetterLimit
from fraud_detector.stream.health import Check, HealthState, log_stacks_when_stuck, retry_while_unavailable
from fraud_detector.stream.kafka_consumer import KafkaOrderConsumer
from fraud_detector.stream.kafka_publisher import KafkaPublisher
from fraud_detector.stream.limits import Limits
from fraud_detector.stream.metrics import DetectorMetrics
from fraud_detector.stream.pipeline import Pipeline
from fraud_detector.stream.ports import (
    ActiveRulesets,
    DecisionPublisher,
    DecisionStore,
    DependencyUnavailableError,
    OrderConsumer,
    StoredRuleset,
)
from fraud_detector.stream.postgres_store import PostgresStore
from fraud_detector.stream.ruleset_switcher import RulesetSwitcher
from fraud_detector.stream.topic_binding import bind_topic
from order_contract.reference_data import PaymentMethods
from order_contract.ruleset_pointer import RulesetPointer
from order_platform.gc_tuning import freeze_startup_objects
from order_platform.health_server import HealthServer
from order_platform.postgres.shutdown_watch import watch_for_shutdown
from order_platform.shutdown_signals import start_unless_stopped, stop_on_signals

log = structlog.get_logger()

CHECK_EVERY = 5.0
# More than the pipeline holds at a time: a collection looks through all of that, which takes longer than a batch.
COLLECTED_OBJECTS = 500_000
# Switches back and changed percentages name versions read before. Reading one takes 0.1 s of CPU with the pack.
RULESETS_KEPT = 16


@dataclass(frozen=True, slots=True)
class _Detector:
    """What runs once a detector has started: the pipeline, what stores labels, and tasks beside them by name."""

    pipeline: Pipeline
    labels: LabelTasks
    beside: Mapping[str, Callable[[], Coroutine[None, None, None]]]


async def run(settings: DetectorSettings) -> None:
    """Decide orders until SIGTERM or SIGINT; raises what ends the process."""
    methods = PaymentMethods(settings.payment_methods)
    metrics = DetectorMetrics(methods.names)
    health = HealthState(time.monotonic)
    stop = asyncio.Event()
    stop_on_signals(stop)
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
        starting = _start(settings, stack, stop, methods=methods, metrics=metrics, health=health, port=server.port)
        detector = await start_unless_stopped(starting, stop)
        if detector is not None:
            freeze_startup_objects(COLLECTED_OBJECTS)
            await _work(detector, stop, settings.drain_seconds)
    log.info("detector_stopped")


async def _start(
    settings: DetectorSettings,
    stack: AsyncExitStack,
    stop: asyncio.Event,
    *,
    methods: PaymentMethods,
    metrics: DetectorMetrics,
    health: HealthState,
    port: int,
) -> _Detector | None:
    """Build the parts and connect them, to be closed with `stack`; None when stopped before."""
    database_url = settings.database_url.get_secret_value()

    def is_stopped() -> bool:
        health.heartbeat()  # waiting for a dependency is not being stuck
        return stop.is_set()

    closed: list[Callable[[], Coroutine[None, None, None]]] = []
    stack.push_async_callback(_close, closed)
    active = ActiveRuleset(database_url)
    closed.append(active.disconnect)
    found = await _find_ruleset(settings, active, methods, health, is_stopped)
    if found is None:
        return None
    pointer, rulesets = found
    store: DecisionStore = PostgresStore(
        database_url, topic=settings.orders_topic, rulesets=rulesets.rulesets, group=settings.consumer_group
    )
    closed.append(store.close)
    publisher: DecisionPublisher = KafkaPublisher(settings)
    closed.append(publisher.close)
    consumer: OrderConsumer = KafkaOrderConsumer(
        settings, accept_lost_offsets=settings.accept_lost_offsets, members=settings.snapshots
    )
    closed.append(consumer.close)
    epoch = await bind_topic(
        consumer,
        store,
        identifying=Check.JOINING,
        storing=Check.STORING,
        health=health,
        is_cancelled=is_stopped,
    )
    if epoch is None:
        return None
    lists = await _load_lists(database_url, rulesets, metrics, health, is_stopped)
    if lists is None:
        return None
    labels = LabelTasks(settings, LabelMetrics(metrics.registry), health)
    closed.append(labels.close)
    preparation = Preparation(settings, lists, labels, epoch=epoch, health=health, metrics=metrics, stack=stack)
    prepared = await preparation.start(rulesets, is_stopped)
    if prepared is None:
        return None
    pipeline = Pipeline(
        consumer,
        store,
        publisher,
        prepared.evaluator,
        now=lambda: datetime.now(UTC),
        metrics=metrics,
        health=health,
        limits=Limits(batch_messages=settings.batch_messages, drain=settings.drain_seconds),
        dead_letter_limit=DeadLetterLimit(share=settings.dead_letter_limit_share, run=settings.dead_letter_limit_run),
        follower=prepared.follower,
    )
    labels.in_flight = pipeline.unstored_batches
    metrics.rulesets_active(rulesets.shares)
    log.info(
        "detector_started",
        port=port,
        topic=settings.orders_topic,
        epoch=epoch,
        ruleset=rulesets.stable.version,
        histories="compiled" if KERNEL_IS_COMPILED else "python",
    )
    await retry_while_unavailable(
        lambda: consumer.join(pipeline), check=Check.JOINING, health=health, is_cancelled=stop.is_set
    )
    await stack.enter_async_context(
        watch_for_shutdown(database_url, store.disconnect, lists.disconnect, active.disconnect)
    )
    beside: dict[str, Callable[[], Coroutine[None, None, None]]] = {
        "watch": lambda: _watch(consumer, store, metrics, health, pipeline),
        "follow lists": lists.run,
        "write snapshots": lambda: preparation.write_snapshots(pipeline.stored_histories),
    }
    if pointer is not None:
        switcher = RulesetSwitcher(
            active,
            pipeline,
            store,
            read=lambda found: asyncio.to_thread(_read_rulesets, found, settings.marketplace_pack, methods),
            prepare=preparation.switch,
            metrics=metrics,
            health=health,
        )
        beside["follow active ruleset"] = lambda: switcher.run(pointer, prepared)
    return _Detector(pipeline, labels, beside)


async def _work(detector: _Detector, stop: asyncio.Event, drain_seconds: float) -> None:
    """Decide orders and store labels until `stop` is set, then finish what was begun."""
    async with asyncio.TaskGroup() as group:
        beside = [group.create_task(run(), name=name) for name, run in detector.beside.items()]
        labels = group.create_task(detector.labels.run(stop), name="labels")
        group.create_task(_cancel_after_stop(labels, stop, drain_seconds), name="end labels")
        await detector.pipeline.run(stop)
        for task in beside:
            task.cancel()


async def _cancel_after_stop(task: asyncio.Task[None], stop: asyncio.Event, drain_seconds: float) -> None:
    """Let a task end by itself for so long after a stop, while the pipeline drains."""
    await stop.wait()
    await asyncio.wait([task], timeout=drain_seconds)
    task.cancel()


async def _close(closed: Iterable[Callable[[], Coroutine[None, None, None]]]) -> None:
    """Close all at the same time: each may wait for a broker that hangs, and a process has little time to end."""
    async with asyncio.TaskGroup() as group:
        for close in closed:
            group.create_task(close())


async def _find_ruleset(
    settings: DetectorSettings,
    active: ActiveRuleset,
    methods: PaymentMethods,
    health: HealthState,
    is_stopped: Callable[[], bool],
) -> tuple[RulesetPointer | None, DecidingRulesets] | None:
    """What is active with its rulesets, or the ruleset of a file without a pointer; None when stopped before."""
    if settings.rules is not None:
        own = load_ruleset(settings.rules)
        return None, DecidingRulesets(_complete(own, str(settings.rules), settings.marketplace_pack, methods))

    active_rulesets = await retry_while_unavailable(
        lambda: active.read(load_ruleset()), check=Check.LOADING, health=health, is_cancelled=is_stopped
    )
    if active_rulesets is None:
        return None
    try:
        return active_rulesets.pointer, _read_rulesets(active_rulesets, settings.marketplace_pack, methods)
    except RulesetError as error:
        raise RulesetError(
            f"{error}. That is the active version: fraud-detector rules rollback makes the one before active, "
            "rules publish another one"
        ) from error


def _read_rulesets(found: ActiveRulesets, pack: PackMode, methods: PaymentMethods) -> DecidingRulesets:
    """The rulesets that decide when these are active. Raises RulesetError."""
    stable, pointer = _read_ruleset(found.stable, pack, methods), found.pointer
    if found.candidate is None or pointer.percent is None or pointer.salt is None:
        return DecidingRulesets(stable)
    candidate = _read_ruleset(found.candidate, pack, methods)
    return DecidingRulesets(stable, Rollout(candidate, pointer.percent, pointer.salt))


@lru_cache(maxsize=RULESETS_KEPT)
def _read_ruleset(stored: StoredRuleset, pack: PackMode, methods: PaymentMethods) -> Ruleset:
    name = f"version {stored.version}"
    return _complete(parse_ruleset(stored.content, name), name, pack, methods)


def _complete(own: Ruleset, name: str, pack: PackMode, methods: PaymentMethods) -> Ruleset:
    """A ruleset with the marketplace pack, as the setting says; warns of probable mistakes in the ruleset."""
    ruleset = add_marketplace_pack(own, pack)
    for warning in ruleset_warnings(own, name, methods):
        log.warning("ruleset_warning", problem=warning)
    return ruleset


async def _load_lists(
    database_url: str,
    rulesets: DecidingRulesets,
    metrics: DetectorMetrics,
    health: HealthState,
    is_stopped: Callable[[], bool],
) -> ListFollower | None:
    """The lists, loaded: in force from the first order on. None when the detector is stopped before."""
    follower = ListFollower(database_url, ListMembers())
    metrics.lists(follower.members, lambda: follower.age)

    async def load() -> ListFollower:
        await follower.load(*rulesets.rulesets)
        return follower

    return await retry_while_unavailable(load, check=Check.STORING, health=health, is_cancelled=is_stopped)


async def _watch(
    consumer: OrderConsumer,
    store: DecisionStore,
    metrics: DetectorMetrics,
    health: HealthState,
    pipeline: Pipeline,
) -> None:
    """Check broker and database from time to time, so that one that is down is not taken for a quiet topic."""
    while True:
        metrics.list_sizes()
        metrics.rule_times(pipeline.evaluator.time_rules(time.perf_counter))
        if (history := pipeline.evaluator.history) is not None:
            metrics.history(history)
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
