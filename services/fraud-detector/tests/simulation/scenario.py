"""Scenarios: members of a group at work while a script kills and expels them, and fails what they depend on."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson

from decision_engine.history.declaration import SECOND, Aggregate, HistoryFeature
from decision_engine.history.stream_features import StreamFeatures
from decision_engine.ruleset import load_ruleset
from fraud_detector.stream.health import HealthState
from fraud_detector.stream.history_follower import HistoryFollower
from fraud_detector.stream.metrics import DetectorMetrics
from fraud_detector.stream.order_evaluator import OrderEvaluator
from fraud_detector.stream.pipeline import Limits, Pipeline
from order_contract.decision import OrderRow
from order_contract.decision_record import encode_decision
from order_contract.decoding.decoder import EventDecoder
from order_contract.seen import decode_seen
from simulation.fakes import (
    FakeBroker,
    FakeDatabase,
    FakeOrderConsumer,
    FakePublishedOrders,
    FakePublisher,
    FakeStore,
    Origin,
)
from simulation.scripted_random import ScriptedRandom

PARTITIONS = 3
LIMITS = Limits(batch_messages=4, slice_messages=2, drain=5.0)
EPOCH = datetime(2026, 11, 22, tzinfo=UTC)
# A member that does not finish its revocation in time is expelled and continues as a zombie.
REBALANCE_TIMEOUT = 10.0
PATIENCE = 3_600.0

_RULESET = load_ruleset()
_TWO_HOURS = 7_200 * SECOND
FEATURES = (
    HistoryFeature("orders", Aggregate.COUNT, ("user_id",), _TWO_HOURS),
    HistoryFeature("pieces", Aggregate.SUM, ("user_id",), _TWO_HOURS, "quantity"),
)

MakePipeline = Callable[..., Pipeline]


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of a scenario: which order it claims, with which content; without an order it is bad data."""

    partition: int
    order: int | None
    content: int

    def value(self) -> bytes:
        if self.order is None:
            return b"broken"
        return (
            b'{"order_id":"o%d","user_id":"u%d","product_id":"p1","quantity":%d,"amount":1,"payment_method":"OVO",'
            b'"country":"ID","created_date":"2026-11-22T%02d:00:00"}'
            % (self.order, self.order % 2, self.content + 1, 10 - self.order % 3)
        )


class CheckedBroker(FakeBroker):
    """A broker that holds every commit against what is recorded and published at that moment."""

    def __init__(self, database: FakeDatabase) -> None:
        super().__init__(PARTITIONS)
        self._database = database

    def commit(self, partition: int, offset: int) -> None:
        assert offset >= self.committed.get(partition, 0), f"{partition} was committed backwards to {offset}"
        published = {order_id for order_id, _ in self.decisions}
        for before in range(offset):
            outcome = self._database.outcome((partition, before))
            assert outcome, f"{partition}/{before} was committed without an outcome"
            if outcome == ["stored"]:
                assert self._order_of((partition, before)) in published, f"{partition}/{before} committed unpublished"
            if outcome[0] in {"conflict", "dead-letter"}:
                assert (partition, before) in self.dead_letters, f"{partition}/{before} committed, not dead-lettered"
        super().commit(partition, offset)

    def append_decisions(self, orders: Sequence[OrderRow]) -> None:
        for row in orders:
            stands = self._database.orders.get(row.order_id)
            assert stands is not None, f"{row.order_id} was published before it was stored"
            assert encode_decision(row) == encode_decision(stands), f"{row.order_id} was published as it is not stored"
        super().append_decisions(orders)

    def _order_of(self, origin: Origin) -> str | None:
        for row in self._database.orders.values():
            if (row.source_partition, row.source_offset) == origin:
                return row.order_id
        return None


class Member:
    """A detector process: the real pipeline over fakes."""

    def __init__(self, broker: FakeBroker, database: FakeDatabase, random: ScriptedRandom, make: MakePipeline) -> None:
        loop = asyncio.get_running_loop()
        self.consumer = FakeOrderConsumer(broker, random)
        self._store = FakeStore(database, random)
        self._publisher = FakePublisher(broker, random)
        history, health = StreamFeatures(FEATURES), HealthState(loop.time)
        # As a detector that starts reads them from the database.
        for row in sorted(database.orders.values(), key=lambda row: row.source_offset):
            history.add(row.event(), row.source_partition, row.source_offset)

        def now() -> datetime:
            return EPOCH + timedelta(seconds=loop.time())

        self._pipeline = make(
            self.consumer,
            self._store,
            self._publisher,
            OrderEvaluator(EventDecoder(), _RULESET, history, recent=2),
            now=now,
            metrics=DetectorMetrics(),
            health=health,
            limits=LIMITS,
            follower=HistoryFollower(
                FakePublishedOrders(broker, random), history, start=broker.decision_ends(), now=now, health=health
            ),
        )
        self.consumer.listen(self._pipeline)
        self._stop = asyncio.Event()
        self.task = asyncio.create_task(self._pipeline.run(self._stop))

    async def kill(self) -> None:
        """kill -9: nothing of it runs on, what it had sent may still arrive."""
        self.consumer.killed = self._store.killed = self._publisher.killed = True
        self.task.cancel()
        await asyncio.wait([self.task])

    async def stop(self) -> None:
        """SIGTERM."""
        self._stop.set()
        await self.task

    def check(self) -> None:
        """Bugs crash a pipeline loudly: here, the scenario."""
        if self.task.done() and not self.task.cancelled():
            self.task.result()


class Scenario:
    """A run of the world. `play` raises AssertionError when something is lost, doubled, or stuck."""

    def __init__(self, sent: Sequence[Sent], script: Sequence[int], make: MakePipeline = Pipeline) -> None:
        self._sent = list(sent)
        self._random = ScriptedRandom(script)
        self._make = make
        self.database = FakeDatabase()
        self.broker = CheckedBroker(self.database)
        self._members: list[Member] = []

    async def play(self) -> None:
        try:
            await self._start_member()
            waiting = list(self._sent)
            while waiting:
                await self._something_happens()
                for sent in waiting[: 1 + self._random.choose(4)]:
                    self.broker.append_order(sent.partition, sent.value())
                    waiting.remove(sent)
                await self._random.pause()
            await self._something_happens()
            await self._settle()
            self._verify()
        finally:
            for member in self._members:
                member.task.cancel()
            await asyncio.gather(*(member.task for member in self._members), return_exceptions=True)

    async def _something_happens(self) -> None:
        match self._random.choose(9):
            case 5 if len(self._members) < 3:
                await self._start_member()
            case 6:
                await self._lose_member(kill=True)
            case 7:
                await self._lose_member(kill=False)
            case 8:
                await self._throw_out()
        for member in self._members:
            member.check()

    async def _start_member(self) -> None:
        self._members.append(Member(self.broker, self.database, self._random, self._make))
        await self._rebalance()

    async def _lose_member(self, *, kill: bool) -> None:
        member = self._members.pop(self._random.choose(len(self._members)))
        await (member.kill() if kill else member.stop())
        if not self._members:
            await self._random.pause()
            await self._start_member()
        else:
            await self._rebalance()

    async def _throw_out(self) -> None:
        """A member is silent for too long: its partitions move while it works on, unknowing."""
        zombie = self._members[self._random.choose(len(self._members))]
        others = [member for member in self._members if member is not zombie]
        if not others:
            return
        await self._rebalance(others)
        await self._random.pause()
        await self._rebalance()

    async def _rebalance(self, members: list[Member] | None = None) -> None:
        """Every member gives its partitions back, then gets a share; one that takes too long remains as a zombie."""
        members = list(self._members if members is None else members)
        revocations = {member: asyncio.create_task(member.consumer.revoke()) for member in members}
        done, late = await asyncio.wait(revocations.values(), timeout=REBALANCE_TIMEOUT)
        for task in done:
            task.result()
        assert not late, "a revocation took longer than its budget"
        await self._random.pause()
        for number, member in enumerate(members):
            member.consumer.assign(range(number, PARTITIONS, len(members)))

    async def _settle(self) -> None:
        """Let every dependency recover, and wait until all is committed."""
        self._random.calm()
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while not self.broker.finished:
            for member in self._members:
                member.check()
            assert asyncio.get_running_loop().time() < deadline, f"stuck at {self.broker.committed}"
            await asyncio.sleep(1)

    def _verify(self) -> None:
        """Nothing lost, nothing twice, and everything published as stored."""
        for partition, log in enumerate(self.broker.orders):
            for message in log:
                origin = (partition, message.offset)
                outcome = self.database.outcome(origin)
                assert len(outcome) == 1, f"{origin} has outcomes {outcome}"
                if message.value == b"broken":
                    assert outcome == ["dead-letter"]
        published: dict[str, bytes] = {}
        for order_id, value in self.broker.decisions:
            assert published.setdefault(order_id, value) == value, (
                f"two different decisions of {order_id} were published"
            )
        assert published == {row.order_id: encode_decision(row) for row in self.database.orders.values()}
        assert set(self.broker.dead_letters) == {
            origin for origin, outcome in self.database.outcomes.items() if outcome != "duplicate"
        }
        claimed = {f"o{sent.order}" for sent in self._sent if sent.order is not None}
        assert set(self.database.orders) == claimed
        assert not self.database.gaps
        self._verify_features()

    def _verify_features(self) -> None:
        """Every stored value is the aggregate over the other stored orders that had been seen."""
        rows = list(self.database.orders.values())
        for row in rows:
            assert row.seen is not None
            seen = decode_seen(row.seen, row.source_partition, row.source_offset)
            seen += [0] * (PARTITIONS - len(seen))
            others = [
                other
                for other in rows
                if other is not row
                and other.user_id == row.user_id
                and other.source_offset < seen[other.source_partition]
                and row.created_date - timedelta(hours=2) < other.created_date <= row.created_date
            ]
            features = orjson.loads(row.features)
            expected = {"orders": len(others), "pieces": sum(other.quantity for other in others)}
            assert {name: features[name] for name in expected} == expected, (row, seen, others)
