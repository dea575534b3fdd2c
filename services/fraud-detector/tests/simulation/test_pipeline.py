"""The pipeline's manners, one at a time, in virtual time: drains, retries, back-pressure, loud crashes."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime

import pytest

from decision_engine.ruleset import load_ruleset
from fraud_detector.stream.batch import Batch, StoreResult
from fraud_detector.stream.dead_letter_limit import DeadLetterLimit
from fraud_detector.stream.health import HealthState
from fraud_detector.stream.limits import Limits
from fraud_detector.stream.metrics import DetectorMetrics, Stage
from fraud_detector.stream.order_evaluator import OrderEvaluator
from fraud_detector.stream.pipeline import Pipeline
from fraud_detector.stream.ports import DeadLetterLimitError, DependencyUnavailableError
from order_contract.decoding.decoder import EventDecoder
from order_contract.message import Message
from order_platform.postgres.topic_epochs import RecreatedTopicError
from simulation.fakes import FakeBroker, FakeDatabase, FakeOrderConsumer, FakePublisher, FakeStore
from simulation.scripted_random import ScriptedRandom
from simulation.virtual_time import run_in_virtual_time

RULESET = load_ruleset()


def order(number: int) -> bytes:
    return (
        b'{"order_id":"o%d","user_id":"u","product_id":"p","quantity":1,"amount":1,"payment_method":"OVO",'
        b'"country":"ID","created_date":"2026-11-22T10:00:00"}' % number
    )


class Consumer(FakeOrderConsumer):
    """Gives all there is; notes when it is kept alive; commits fail as often as the test sets."""

    def __init__(self, broker: FakeBroker) -> None:
        super().__init__(broker, ScriptedRandom([]))
        self._all = broker
        self.kept_alive = 0
        self.failing_commits = 0
        self.doubt: Exception | None = None

    async def poll(self, max_messages: int, wait_seconds: float) -> Mapping[int, Sequence]:  # type: ignore[type-arg]
        polled = {}
        for partition, position in self.positions.items():
            if messages := self._all.orders[partition][position : position + max_messages]:
                polled[partition] = messages
                self.positions[partition] += len(messages)
        await asyncio.sleep(0 if polled else wait_seconds)
        return polled

    async def confirm_polled(self) -> None:
        if self.doubt is not None:
            raise self.doubt

    async def keep_alive(self) -> None:
        self.kept_alive += 1

    async def commit(self, offsets: Mapping[int, int]) -> None:
        if self.failing_commits:
            self.failing_commits -= 1
            raise DependencyUnavailableError("unavailable")
        await super().commit(offsets)


class Store(FakeStore):
    """Takes as long, and fails, as the test sets; notes the sizes of its batches."""

    def __init__(self, database: FakeDatabase) -> None:
        super().__init__(database, ScriptedRandom([]))
        self.failure: Exception | None = None
        self.sizes: list[int] = []

    async def store(self, batch: Batch) -> StoreResult:
        if self.failure is not None:
            await asyncio.sleep(self.seconds)
            raise self.failure
        self.sizes.append(len(batch))
        return await super().store(batch)


class World:
    """One member with everything around it."""

    def __init__(self, limits: Limits | None = None, dead_letter_limit: DeadLetterLimit | None = None) -> None:
        self.broker = FakeBroker(1)
        self.database = FakeDatabase()
        self.consumer = Consumer(self.broker)
        self.store = Store(self.database)
        self.loop = asyncio.get_running_loop()
        self.health = HealthState(self.loop.time)
        self.metrics = DetectorMetrics()
        self.stop = asyncio.Event()
        self.pipeline = Pipeline(
            self.consumer,
            self.store,
            FakePublisher(self.broker, ScriptedRandom([])),
            OrderEvaluator(EventDecoder(), RULESET),
            now=lambda: datetime(2026, 11, 22, tzinfo=UTC),
            metrics=self.metrics,
            health=self.health,
            limits=limits,
            dead_letter_limit=dead_letter_limit,
        )
        self.consumer.listen(self.pipeline)
        self.consumer.assign([0])
        self.running = asyncio.create_task(self.pipeline.run(self.stop))

    def publish(self, first: int, count: int) -> None:
        for number in range(first, first + count):
            self.broker.append_order(0, order(number))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(600):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def end(self) -> None:
        self.stop.set()
        await self.running


def simulated(test: Callable[[], Coroutine[None, None, None]]) -> Callable[[], None]:
    """Run a coroutine test in virtual time."""

    def run() -> None:
        run_in_virtual_time(test())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@simulated
async def test_a_stop_finishes_and_commits_what_was_read() -> None:
    world = World()
    world.store.seconds = 2.0
    world.publish(0, 100)
    await world.until(lambda: world.consumer.positions == {0: 100})
    before = world.loop.time()
    await world.end()
    assert world.broker.committed == {0: 100}
    assert len(world.broker.decisions) == 100
    # As soon as it is done, not when the budget is spent.
    assert world.loop.time() - before < 6


@simulated
async def test_a_stop_does_not_wait_longer_than_its_budget() -> None:
    world = World(Limits(drain=7.0))
    world.publish(0, 10)
    world.store.failure = DependencyUnavailableError("unavailable")
    await asyncio.sleep(5)
    before = world.loop.time()
    await world.end()
    assert 6.9 < world.loop.time() - before < 8
    assert world.broker.committed == {}


@simulated
async def test_nothing_is_stored_before_it_is_known_to_be_of_the_topic() -> None:
    world = World()
    world.consumer.doubt = DependencyUnavailableError("the id could not be read")
    world.publish(0, 5)
    await asyncio.sleep(3)
    assert world.consumer.positions == {0: 5}
    assert not world.store.sizes
    assert world.health.unready() == "broker: the id could not be read"
    world.consumer.doubt = None
    await world.until(lambda: world.broker.committed == {0: 5})
    assert world.health.unready() is None
    world.consumer.doubt = RecreatedTopicError("another topic")
    world.publish(5, 5)
    with pytest.raises(ExceptionGroup) as raised:
        await world.running
    assert raised.value.subgroup(RecreatedTopicError) is not None
    assert len(world.database.orders) == 5


@simulated
async def test_a_failed_commit_is_made_up_for_without_another_message() -> None:
    world = World()
    world.consumer.failing_commits = 3
    world.publish(0, 5)
    await world.until(lambda: world.broker.committed == {0: 5})
    await world.end()


@simulated
async def test_batches_are_as_large_as_what_waits() -> None:
    world = World()
    world.publish(0, 1)
    await world.until(lambda: world.store.sizes == [1])
    world.store.seconds = 1.0
    world.publish(1, 1)
    await asyncio.sleep(0.6)
    for first in range(2, 302, 100):
        world.publish(first, 100)
        await asyncio.sleep(0.01)
    await world.until(lambda: len(world.database.orders) == 302)
    assert world.store.sizes[:2] == [1, 1]
    assert len(world.store.sizes) <= 4
    await world.end()


@simulated
async def test_no_more_is_read_than_can_wait_and_the_member_stays_in_the_group() -> None:
    world = World(Limits(batch_messages=50, slice_messages=10))
    world.store.failure = DependencyUnavailableError("the database is unavailable")
    world.publish(0, 1_000)
    await asyncio.sleep(30)
    # One batch in the writer's hand, one in the batch buffer.
    assert world.consumer.positions[0] <= 150
    assert world.consumer.kept_alive > 20
    assert world.health.unready() == "database: the database is unavailable"
    assert world.health.unhealthy() is None
    world.store.failure = None
    await world.until(lambda: world.broker.committed == {0: 1_000})
    assert world.health.unready() is None
    await world.end()


@simulated
async def test_a_bug_crashes_loudly_and_commits_nothing() -> None:
    world = World()
    world.store.failure = ZeroDivisionError("a bug")
    world.publish(0, 3)
    with pytest.raises(ExceptionGroup) as caught:
        await world.running
    assert caught.group_contains(ZeroDivisionError)
    assert world.broker.committed == {}


@simulated
async def test_reading_ends_though_the_client_swallows_the_cancellation() -> None:
    world = World()
    swallowed: list[asyncio.CancelledError] = []

    async def poll(max_messages: int, wait_seconds: float) -> Mapping[int, Sequence[Message]]:
        try:
            await asyncio.sleep(wait_seconds)
        except asyncio.CancelledError as cancellation:
            if swallowed:
                raise  # at the end of the test
            swallowed.append(cancellation)  # as aiokafka does at times
        return {}

    world.consumer.poll = poll  # type: ignore[method-assign]
    await asyncio.sleep(5)
    world.running.cancel()
    done, _ = await asyncio.wait([world.running], timeout=60)
    assert done == {world.running}
    assert world.running.cancelled()
    assert len(swallowed) == 1


@simulated
async def test_offsets_that_are_not_on_the_topic_are_recorded_as_a_gap() -> None:
    world = World()
    world.publish(0, 2)
    await world.until(lambda: world.broker.committed == {0: 2})
    # As transaction markers do: offsets without a message.
    world.broker.orders[0] += [type(world.broker.orders[0][0])(0, 5, order(9))]
    world.consumer.positions[0] = 2
    await world.until(lambda: world.broker.committed == {0: 6})
    assert {(gap.first, gap.next) for gap in world.database.gaps} == {(2, 5)}
    await world.end()


@simulated
async def test_a_run_of_bad_messages_beyond_the_limit_stops_it_before_they_are_committed() -> None:
    world = World(Limits(slice_messages=10), DeadLetterLimit(run=3))
    world.publish(0, 20)
    for _ in range(3):
        world.broker.append_order(0, b"broken")
    world.publish(20, 7)
    await world.until(lambda: world.broker.committed == {0: 30})
    for _ in range(4):
        world.broker.append_order(0, b"broken")
    with pytest.raises(ExceptionGroup) as raised:
        await world.running
    assert raised.group_contains(DeadLetterLimitError, match="4 messages in a row are not valid order events")
    assert world.broker.committed == {0: 30}
    assert world.broker.dead_letters == [(0, 20), (0, 21), (0, 22)]


@simulated
async def test_the_time_of_every_stage_is_measured() -> None:
    world = World(Limits(batch_messages=50, slice_messages=10))
    world.store.seconds = 1.0
    world.publish(0, 500)
    await world.until(lambda: world.broker.committed == {0: 500})
    await world.end()
    samples = {
        (sample.name, sample.labels.get("stage")): sample.value
        for metric in world.metrics.registry.collect()
        for sample in metric.samples
    }
    for stage in Stage:
        assert samples["orderwatch_detector_stage_seconds_count", stage] > 0, stage
