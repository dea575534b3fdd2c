"""Scenarios: members of a group at work while a script kills and expels them, and fails what they depend on."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import orjson
from prometheus_client import CollectorRegistry

from decision_engine.evaluate import evaluate
from decision_engine.features import RecordedFeatures
from decision_engine.history.stream_features import StreamFeatures
from decision_engine.replay.orders import Partition, PlacedLabel
from decision_engine.replay.replayer import KnownPast, Replayer
from decision_engine.ruleset import Ruleset, parse_ruleset
from fraud_detector.labels.batch import RecordedLabel
from fraud_detector.labels.follower import LabelFollower
from fraud_detector.labels.labelling import StoredOrder, apply_label
from fraud_detector.labels.metrics import LabelMetrics
from fraud_detector.stream.active_ruleset import StoredRuleset
from fraud_detector.stream.batch import Batch
from fraud_detector.stream.health import HealthState
from fraud_detector.stream.history_follower import HistoryFollower
from fraud_detector.stream.limits import Limits
from fraud_detector.stream.metrics import DetectorMetrics
from fraud_detector.stream.order_evaluator import OrderEvaluator
from fraud_detector.stream.pipeline import Pipeline
from fraud_detector.stream.ruleset_switcher import Prepared, RulesetSwitcher
from order_contract.decision import DECISION_COLUMNS, OrderRow, decision_columns
from order_contract.decision_record import encode_decision
from order_contract.decoding.decoder import EventDecoder
from order_contract.label import Label, LabelEvent
from order_contract.label_record import decode_label
from order_contract.origin import Origin
from order_contract.seen import decode_seen, decode_seen_labels
from simulation.fakes import (
    FakeBroker,
    FakeDatabase,
    FakeOrderConsumer,
    FakePublishedLabels,
    FakePublishedOrders,
    FakePublisher,
    FakeStore,
    FakeStoredOrders,
)
from simulation.scripted_random import ScriptedRandom
from tests.support.past_decisions import MemoryOrderLog, decided_order

PARTITIONS = 3
LIMITS = Limits(batch_messages=4, slice_messages=2, drain=5.0)
EPOCH = datetime(2026, 11, 22, tzinfo=UTC)
# A member that does not finish its revocation in time is expelled and continues as a zombie.
REBALANCE_TIMEOUT = 10.0
PATIENCE = 3_600.0
# Few, so that some repeats are recognised by what was read, and others by the store.
RECENT = 2

# The versions that become active; the second has the features of the first.
_FEATURES = {
    "count": "orders: {aggregate: count, key: user_id, window: 2h}",
    "sum": "pieces: {aggregate: sum, field: quantity, key: user_id, window: 2h}",
    "frauds": "frauds: {aggregate: label_count, label: fraud, key: user_id, window: 2h}",
    "legitimate": "legitimate: {aggregate: label_count, label: legitimate, key: user_id, window: 2h}",
    "share": "share: {aggregate: label_share, label: fraud, key: user_id, window: 2h}",
}
_LABELS = ["frauds", "legitimate", "share"]
_RULES = """
review_at: {score}
decline_at: 90
features: {{{features}}}
rules: [{{id: any, description: any, when: quantity > 1, severity: low, score: 50}}]
"""
VERSIONS = [
    parse_ruleset(_RULES.format(score=score, features=", ".join(_FEATURES[name] for name in names)), "rules.yaml")
    for score, names in (
        (50, ["count", "sum", *_LABELS]),
        (60, ["count", "sum", *_LABELS]),
        (60, ["count", *_LABELS]),
        (60, ["sum"]),
    )
]
RULESETS = {ruleset.version: ruleset for ruleset in VERSIONS}

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


class Labelled(NamedTuple):
    """A label of a scenario: on which order, which may be unknown, what it says."""

    order: int
    label: Label

    def event(self) -> LabelEvent:
        return LabelEvent(f"o{self.order}", self.label, "test", None, EPOCH, None)


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

    def _order_of(self, origin: tuple[int, int]) -> str | None:
        for row in self._database.orders.values():
            if (row.source_partition, row.source_offset) == origin:
                return row.order_id
        return None


class ActiveVersion:
    """Which version is active, for all members."""

    def __init__(self) -> None:
        self.stored = _stored(VERSIONS[0])
        self._changed = asyncio.Condition()

    async def activate(self, number: int) -> None:
        await self.activate_content(*_stored(VERSIONS[number]))

    async def activate_content(self, version: str, content: str) -> None:
        async with self._changed:
            self.stored = StoredRuleset(version, content)
            self._changed.notify_all()

    async def wait_for_other(self, known: str) -> StoredRuleset:
        async with self._changed:
            await self._changed.wait_for(lambda: self.stored.version != known)
            return self.stored


def _stored(ruleset: Ruleset) -> StoredRuleset:
    return StoredRuleset(ruleset.version, ruleset.content)


class Member:
    """A detector process: the real pipeline over fakes."""

    def __init__(
        self,
        broker: FakeBroker,
        database: FakeDatabase,
        active: ActiveVersion,
        random: ScriptedRandom,
        make: MakePipeline,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._broker, self._database, self._random = broker, database, random
        self.consumer = FakeOrderConsumer(broker, random)
        self.store = FakeStore(database, random)
        self._publisher = FakePublisher(broker, random)
        self.health = HealthState(loop.time)
        prepared = self._prepare(RULESETS[active.stored.version])
        database.rulesets.add(prepared.ruleset.version)
        self.metrics = DetectorMetrics()
        self._pipeline = make(
            self.consumer,
            self.store,
            self._publisher,
            prepared.evaluator,
            now=_now,
            metrics=self.metrics,
            health=self.health,
            limits=LIMITS,
            follower=prepared.follower,
        )
        self.consumer.listen(self._pipeline)
        self._switcher = RulesetSwitcher(
            active,
            self._pipeline,
            self.store,
            read=self._read,
            prepare=self._prepare_beside,
            metrics=self.metrics,
            health=self.health,
        )
        self._stop = asyncio.Event()
        self.task = asyncio.create_task(self._run(prepared))

    async def _run(self, prepared: Prepared) -> None:
        async with asyncio.TaskGroup() as group:
            switching = group.create_task(self._switcher.run(prepared.ruleset.version, prepared))
            await self._pipeline.run(self._stop)
            switching.cancel()

    async def _read(self, stored: StoredRuleset) -> Ruleset:
        await self._random.pause()
        return parse_ruleset(stored.content, stored.version)

    async def _prepare_beside(self, ruleset: Ruleset, present: Prepared) -> Prepared:
        if ruleset.has_features_of(present.ruleset):
            evaluator = OrderEvaluator(EventDecoder(), ruleset, present.evaluator.history, recent=RECENT)
            return Prepared(ruleset, evaluator, present.follower)
        prepared = self._prepare(ruleset)
        await self._random.pause()
        return prepared

    def _prepare(self, ruleset: Ruleset) -> Prepared:
        """Histories of all that is stored, as a detector reads them from the database."""
        history = StreamFeatures(ruleset.features)
        for row in sorted(self._database.orders.values(), key=lambda row: row.source_offset):
            history.add(row.event(), row.source_partition, row.source_offset)
        _load_labels(history, self._broker, self._database, self._random)
        published = FakePublishedOrders(self._broker, self._random)
        labels = LabelFollower(
            FakePublishedLabels(self._broker, self._random, history.next_label_offsets),
            FakeStoredOrders(self._database, self._random),
            history,
            self._unstored_batches,
            epoch=1,
            label_epoch=1,
            now=_now,
            metrics=LabelMetrics(CollectorRegistry()),
            health=self.health,
        )
        start = self._broker.decision_ends()
        follower = HistoryFollower(
            published,
            history,
            start=start,
            health=self.health,
            labels=labels.run if any(feature.label for feature in ruleset.features) else None,
        )
        return Prepared(ruleset, OrderEvaluator(EventDecoder(), ruleset, history, recent=RECENT), follower)

    def _unstored_batches(self) -> list[Batch]:
        return self._pipeline.unstored_batches()

    async def kill(self) -> None:
        """kill -9: nothing of it runs on, what it had sent may still arrive."""
        self.consumer.killed = self.store.killed = self._publisher.killed = True
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


def _load_labels(history: StreamFeatures, broker: FakeBroker, database: FakeDatabase, random: ScriptedRandom) -> None:
    """As a detector that starts reads them from the database, which has not stored all labels of the topic yet."""
    stored = [log[: len(log) - min(random.choose(3), len(log))] for log in broker.labels]
    for message in (message for log in stored for message in log):
        event = decode_label(message.value, EPOCH)
        order = database.orders.get(event.order_id)
        history.await_orders([event.order_id])
        apply_label(
            history,
            RecordedLabel(event, Origin("labels", message.partition, message.offset), EPOCH),
            None if order is None else StoredOrder(order.event(), order.origin),
            epoch=1,
        )
    history.advance_labels({partition: len(log) for partition, log in enumerate(stored)})


def _now() -> datetime:
    return EPOCH + timedelta(seconds=asyncio.get_running_loop().time())


class Scenario:
    """A run of the world. `play` raises AssertionError when something is lost, doubled, or stuck."""

    def __init__(
        self,
        sent: Sequence[Sent],
        script: Sequence[int],
        make: MakePipeline = Pipeline,
        *,
        labels: Sequence[Labelled] = (),
    ) -> None:
        self._sent = list(sent)
        self._labels = list(labels)
        self._random = ScriptedRandom(script)
        self._make = make
        self.database = FakeDatabase()
        self.broker = CheckedBroker(self.database)
        self._active = ActiveVersion()
        self._members: list[Member] = []

    async def play(self) -> None:
        try:
            await self._start_member()
            waiting, labels = list(self._sent), list(self._labels)
            while waiting:
                await self._something_happens()
                for labelled in labels[: self._random.choose(3) if labels else 0]:
                    self.broker.append_label(labelled.event())
                    labels.remove(labelled)
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
        match self._random.choose(11):
            case 5 if len(self._members) < 3:
                await self._start_member()
            case 6:
                await self._lose_member(kill=True)
            case 7:
                await self._lose_member(kill=False)
            case 8:
                await self._throw_out()
            case 9 | 10:
                await self._active.activate(self._random.choose(len(VERSIONS)))
        for member in self._members:
            member.check()

    async def _start_member(self) -> None:
        self._members.append(Member(self.broker, self.database, self._active, self._random, self._make))
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
        verify_features(self.database, self.broker)
        verify_replay(self.database, self.broker)


def verify_features(database: FakeDatabase, broker: FakeBroker) -> None:
    """Every stored value is the aggregate over the other stored orders that had been seen, and its version agrees."""
    rows = list(database.orders.values())
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
        ruleset = RULESETS[row.ruleset_version]
        assert ruleset.version in database.rulesets
        labels = _labels_seen(broker, row.seen)
        counted = [labels.get(other.order_id) for other in others]
        expected = {
            "orders": len(others),
            "pieces": sum(other.quantity for other in others),
            "frauds": counted.count("fraud"),
            "legitimate": counted.count("legitimate"),
            "share": counted.count("fraud") / len(others) if others else None,
        }
        declared = {feature.name for feature in ruleset.features}
        features = orjson.loads(row.features)
        assert features == {
            "hour": features["hour"],
            **{name: value for name, value in expected.items() if name in declared},
        }, (row, seen, others)
        decided = decision_columns(evaluate(row.event(), RecordedFeatures(features), ruleset))
        assert decided == tuple(getattr(row, name) for name in DECISION_COLUMNS)


def verify_replay(database: FakeDatabase, broker: FakeBroker) -> None:
    """Every stored decision is made again, to the bit, from what is stored."""
    orders = [decided_order(row) for row in database.orders.values()]
    labels = {
        Partition(1, number): [_placed(message.offset, decode_label(message.value, EPOCH)) for message in log]
        for number, log in enumerate(broker.labels)
    }
    past = KnownPast(RULESETS, labels, {partition: len(log) for partition, log in labels.items()})
    for own in range(PARTITIONS):
        replayer = Replayer(past, MemoryOrderLog(orders))
        for order in sorted(orders, key=lambda order: order.offset):
            if order.partition.number == own:
                assert replayer.compare(order) == (), order


def _placed(offset: int, event: LabelEvent) -> PlacedLabel:
    return PlacedLabel(offset, event.order_id, event.label)


def _labels_seen(broker: FakeBroker, seen: bytes) -> dict[str, str]:
    """What each order's newest label says, of those below the offsets that had been seen."""
    decoded = decode_seen_labels(seen)
    newest: dict[str, str] = {}
    for partition, next_offset in enumerate(decoded.next_offsets if decoded else ()):
        for message in broker.labels[partition][:next_offset]:
            event = decode_label(message.value, EPOCH)
            newest[event.order_id] = "legitimate" if event.label is Label.LEGITIMATE else "fraud"
    return newest
