"""Histories while partitions move: what counts when they are taken over, given back, or revoked while being opened."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from decision_engine.history.declaration import SECOND, Aggregate, HistoryFeature
from decision_engine.history.stream_features import StreamFeatures
from decision_engine.ruleset import load_ruleset
from fraud_detector.stream.batch import Batch, StoreResult
from fraud_detector.stream.health import HealthState
from fraud_detector.stream.history_follower import HistoryFollower
from fraud_detector.stream.limits import Limits
from fraud_detector.stream.metrics import DetectorMetrics
from fraud_detector.stream.order_evaluator import OrderEvaluator
from fraud_detector.stream.pipeline import Pipeline
from fraud_detector.stream.ports import DependencyUnavailableError, PublishedOrders
from fraud_detector.stream.recent_orders import RecentOrders
from order_contract.decision_record import PublishedOrder
from order_contract.decoding.decoder import EventDecoder
from order_contract.event import OrderEvent
from order_contract.origin import Origin
from simulation.fakes import FakeBroker, FakeDatabase, FakeOrderConsumer, FakePublisher, FakeStore
from simulation.scripted_random import ScriptedRandom
from simulation.virtual_time import run_in_virtual_time

NOW = datetime(2026, 11, 22, 4, tzinfo=UTC)
FEATURES = (HistoryFeature("orders", Aggregate.COUNT, ("user_id",), 3_600 * SECOND),)
PARTITION = 0


def order(number: int) -> bytes:
    return (
        b'{"order_id":"o%d","user_id":"u","product_id":"p","quantity":1,"amount":1,"payment_method":"OVO",'
        b'"country":"ID","created_date":"2026-11-22T10:00:00"}' % number
    )


def event(number: int) -> OrderEvent:
    return EventDecoder().decode(order(number), NOW)


class Published(PublishedOrders):
    """Topic decisions with one partition; gives what was published only while the test lets it."""

    def __init__(self) -> None:
        self.log: list[PublishedOrder] = []
        self.gives = True
        self.reopened: list[Mapping[int, int]] = []
        self._position = 0
        self._paused = False

    def publish(self, first: int, count: int) -> None:
        """Orders of the partition, decided by another detector."""
        for offset in range(first, first + count):
            self.log.append(PublishedOrder(event(offset), Origin("orders", PARTITION, offset, 1)))

    async def reopen(self, positions: Mapping[int, int]) -> None:
        self.reopened.append(dict(positions))
        self._position = positions.get(PARTITION, self._position)

    def pause(self, partitions: Collection[int]) -> None:
        self._paused = PARTITION in partitions

    async def poll(self, wait_seconds: float) -> Sequence[PublishedOrder]:
        await asyncio.sleep(0.1)
        if self._paused or not self.gives:
            return []
        orders = self.log[self._position :]
        self._position += len(orders)
        return orders

    async def ends(self, partitions: Collection[int] | None = None) -> Mapping[int, int]:
        return {PARTITION: len(self.log)}

    @property
    def positions(self) -> Mapping[int, int]:
        return {PARTITION: self._position}

    async def records_since(self, positions: Mapping[int, int]) -> int | None:
        return None

    def has_reached(self, ends: Mapping[int, int]) -> bool:
        return self._position >= ends[PARTITION]

    async def close(self) -> None:
        pass


class Store(FakeStore):
    """A database that is down, or does not respond, when the test says so."""

    is_down = False
    response_seconds = 0.0

    async def store(self, batch: Batch) -> StoreResult:
        await asyncio.sleep(self.response_seconds)
        if self.is_down:
            raise DependencyUnavailableError("the database is down")
        return await super().store(batch)


class Publisher(FakePublisher):
    """Publishes to the topic that is followed."""

    def __init__(self, broker: FakeBroker, published: Published) -> None:
        super().__init__(broker, ScriptedRandom([]))
        self._published = published

    async def publish(self, orders: Sequence, dead_letters: Sequence) -> Mapping[int, int]:  # type: ignore[type-arg]
        before = len(self._published.log)
        await super().publish(orders, dead_letters)
        self._published.log += [PublishedOrder(row.event(), row.origin) for row in orders]
        return {PARTITION: before} if orders else {}


class Member:
    """One detector, and the histories that it keeps."""

    def __init__(self) -> None:
        self.broker = FakeBroker(1)
        self.published = Published()
        self.consumer = FakeOrderConsumer(self.broker, ScriptedRandom([]))
        self.store = Store(FakeDatabase(), ScriptedRandom([]))
        self.history = StreamFeatures(FEATURES)
        self.recent = RecentOrders()
        health = HealthState(asyncio.get_running_loop().time)
        self.pipeline = Pipeline(
            self.consumer,
            self.store,
            Publisher(self.broker, self.published),
            OrderEvaluator(EventDecoder(), load_ruleset(), self.history, recent=self.recent),
            now=lambda: NOW,
            metrics=DetectorMetrics(),
            health=health,
            limits=Limits(drain=1.0),
            follower=HistoryFollower(
                self.published, self.history, start={PARTITION: 0}, health=health, recent=self.recent
            ),
        )
        self.consumer.listen(self.pipeline)
        self._stop = asyncio.Event()
        self._running = asyncio.create_task(self.pipeline.run(self._stop))

    def send(self, count: int) -> None:
        for _ in range(count):
            self.broker.append_order(PARTITION, order(len(self.broker.orders[PARTITION])))

    @property
    def counted(self) -> object:
        """How many orders count for the next one."""
        return self.history.features(event(1_000))["orders"]

    async def stop(self) -> None:
        self._stop.set()
        await self._running


def test_what_is_dropped_when_partitions_are_revoked_counts_no_longer() -> None:
    async def play() -> None:
        member = Member()
        member.consumer.assign([PARTITION])
        member.send(3)
        await asyncio.sleep(5)
        assert (member.counted, member.history.next_offsets[PARTITION]) == (3, 3)
        member.store.is_down = True
        member.send(4)
        await asyncio.sleep(5)
        assert (member.counted, member.history.next_offsets[PARTITION]) == (7, 7)
        await member.consumer.revoke()
        assert (member.counted, member.history.next_offsets[PARTITION]) == (3, 3)
        # The next owner stores other orders at these offsets: they count as they are published.
        member.published.publish(3, 2)
        await asyncio.sleep(5)
        assert (member.counted, member.history.next_offsets[PARTITION]) == (5, 5)
        member.store.is_down = False
        await member.stop()

    run_in_virtual_time(play())


def test_a_repeat_of_what_another_detector_decided_is_known_as_one() -> None:
    async def play() -> None:
        member = Member()
        member.history.add(event(0), PARTITION, 0)  # as if it had been loaded
        member.history.advance(PARTITION, 1)
        member.published.publish(0, 3)
        await asyncio.sleep(5)
        assert [member.recent.is_repeated(event(number).order_id) for number in range(4)] == [True, True, True, False]
        await member.stop()

    run_in_virtual_time(play())


def test_a_partition_is_opened_once_everything_published_on_it_counts() -> None:
    async def play() -> None:
        member = Member()
        member.published.gives = False
        member.published.publish(0, 3)
        member.send(4)
        member.broker.commit(PARTITION, 3)
        member.consumer.assign([PARTITION])
        await asyncio.sleep(5)
        assert not member.consumer.positions, "it was opened without its histories"
        member.published.gives = True
        await asyncio.sleep(5)
        assert member.consumer.positions == {PARTITION: 4}
        assert member.counted == 4
        await member.stop()

    run_in_virtual_time(play())


def test_a_partition_that_is_revoked_while_it_is_opened_is_followed_still() -> None:
    async def play() -> None:
        member = Member()
        member.published.gives = False
        member.published.publish(0, 3)
        member.consumer.assign([PARTITION])
        await asyncio.sleep(5)
        await member.consumer.revoke()
        member.published.publish(3, 2)
        member.published.gives = True
        await asyncio.sleep(5)
        assert (member.counted, member.history.next_offsets[PARTITION]) == (5, 5)
        await member.stop()

    run_in_virtual_time(play())


def test_a_former_partition_is_followed_from_what_was_published_at_the_last_commit() -> None:
    async def play() -> None:
        member = Member()
        member.consumer.assign([PARTITION])
        for _ in range(3):
            member.send(2)
            await asyncio.sleep(5)
        assert member.broker.committed == {PARTITION: 6}
        await member.consumer.revoke()
        member.published.publish(6, 1)
        await asyncio.sleep(5)
        assert member.published.reopened[-1] == {PARTITION: 5}
        assert (member.counted, member.history.next_offsets[PARTITION]) == (7, 7)
        await member.stop()

    run_in_virtual_time(play())


def test_what_is_dropped_is_taken_back_once_however_long_the_store_takes() -> None:
    async def play() -> None:
        member = Member()
        member.consumer.assign([PARTITION])
        member.send(3)
        await asyncio.sleep(5)
        member.store.is_down, member.store.response_seconds = True, 60.0
        member.send(4)
        for _ in range(3):
            await asyncio.sleep(5)
            assert (member.counted, member.history.next_offsets[PARTITION]) == (7, 7)
            await member.consumer.revoke()
            assert (member.counted, member.history.next_offsets[PARTITION]) == (3, 3)
            member.consumer.assign([PARTITION])
        member.store.is_down, member.store.response_seconds = False, 0.0
        await asyncio.sleep(120)
        assert (member.counted, member.broker.committed) == (7, {PARTITION: 7})
        await member.stop()

    run_in_virtual_time(play())
