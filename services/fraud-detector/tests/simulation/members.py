"""Members of the group: the real pipeline over fakes, and the ruleset versions that become active."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from prometheus_client import CollectorRegistry

from decision_engine.history.next_features import NextFeatures
from decision_engine.history.stream_features import StreamFeatures
from decision_engine.rollout import DecidingRulesets, Rollout
from decision_engine.ruleset import parse_ruleset
from fraud_detector.labels.batch import RecordedLabel
from fraud_detector.labels.follower import LabelFollower
from fraud_detector.labels.labelling import StoredOrder, apply_label
from fraud_detector.labels.metrics import LabelMetrics
from fraud_detector.stream.batch import Batch
from fraud_detector.stream.health import HealthState
from fraud_detector.stream.history_follower import HistoryFollower
from fraud_detector.stream.limits import Limits
from fraud_detector.stream.metrics import DetectorMetrics
from fraud_detector.stream.order_evaluator import OrderEvaluator
from fraud_detector.stream.pipeline import Pipeline
from fraud_detector.stream.ports import ActiveRulesets, StoredRuleset
from fraud_detector.stream.recent_orders import RecentOrders
from fraud_detector.stream.ruleset_switcher import Deciding, Prepared, RulesetSwitcher
from order_contract.decoding.decoder import EventDecoder
from order_contract.label_record import decode_label
from order_contract.origin import Origin
from order_contract.ruleset_pointer import RulesetPointer
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

LIMITS = Limits(batch_messages=4, slice_messages=2, drain=5.0)
EPOCH = datetime(2026, 11, 22, tzinfo=UTC)
# Few, so that some repeats are recognised by what was read, and others by the store.
RECENT = 2

# So that some switches back find histories of earlier versions, and others none.
KEPT_SECONDS = 20.0

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
        (60, []),
    )
]
RULESETS = {ruleset.version: ruleset for ruleset in VERSIONS}

MakePipeline = Callable[..., Pipeline]


class ActiveVersion:
    """Which version is active, for all members."""

    def __init__(self) -> None:
        self.found = _active(VERSIONS[0].version, VERSIONS[0].content)
        self._changed = asyncio.Condition()

    async def activate(self, number: int) -> None:
        await self.activate_content(VERSIONS[number].version, VERSIONS[number].content)

    async def activate_content(self, version: str, content: str) -> None:
        await self._replace(_active(version, content))

    async def roll_out(self, number: int, percent: int) -> None:
        """Let a version decide the orders of some users, beside another one that is active."""
        if VERSIONS[number].version == self.found.pointer.version:
            return
        candidate = StoredRuleset(VERSIONS[number].version, VERSIONS[number].content)
        pointer = RulesetPointer(self.found.stable.version, candidate.version, percent, candidate.version)
        await self._replace(ActiveRulesets(pointer, self.found.stable, candidate))

    async def _replace(self, found: ActiveRulesets) -> None:
        async with self._changed:
            self.found = found
            self._changed.notify_all()

    async def wait_for_other(self, known: RulesetPointer) -> ActiveRulesets:
        async with self._changed:
            await self._changed.wait_for(lambda: self.found.pointer != known)
            return self.found


def _active(version: str, content: str) -> ActiveRulesets:
    return ActiveRulesets(RulesetPointer(version), StoredRuleset(version, content))


def _deciding(found: ActiveRulesets) -> DecidingRulesets:
    stable = parse_ruleset(found.stable.content, found.stable.version)
    if found.candidate is None:
        return DecidingRulesets(stable)
    candidate = parse_ruleset(found.candidate.content, found.candidate.version)
    return DecidingRulesets(stable, Rollout(candidate, found.pointer.percent or 0, found.pointer.salt or ""))


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
        self._recent = RecentOrders(RECENT)
        self.loads = 0
        """How often orders were loaded."""
        self._pointer = active.found.pointer
        prepared = self._prepare(_deciding(active.found))
        database.rulesets.update(each.version for each in prepared.rulesets.rulesets)
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
            kept_seconds=KEPT_SECONDS,
        )
        self._stop = asyncio.Event()
        self.task = asyncio.create_task(self._run(prepared))

    async def _run(self, prepared: Prepared) -> None:
        async with asyncio.TaskGroup() as group:
            switching = group.create_task(self._switcher.run(self._pointer, prepared))
            await self._pipeline.run(self._stop)
            switching.cancel()

    async def _read(self, found: ActiveRulesets) -> DecidingRulesets:
        await self._random.pause()
        return _deciding(found)

    async def _prepare_beside(self, rulesets: DecidingRulesets, present: Prepared, deciding: Deciding) -> Prepared:
        if (history := present.evaluator.history) is not None:
            prepared = Prepared(rulesets, self._evaluator(rulesets, history), present.follower)
            if not rulesets.features:
                prepared = prepared._replace(without_history=partial(self._without_history, rulesets))
            if rulesets.has_features_of(present.rulesets):
                return prepared
            following = history.prepare_known(rulesets.features)
            if following is None and rulesets.features:
                following = await deciding.at_rest(lambda: history.prepare(rulesets.features))
                if following is not None:
                    await self._load_missing(following)
            if following is not None:
                return prepared._replace(begin=partial(history.switch, following))
        if not rulesets.features:
            return self._without_history(rulesets)
        loaded = self._prepare(rulesets)
        await self._random.pause()
        return loaded

    async def _load_missing(self, following: NextFeatures) -> None:
        self.loads += 1
        for row in list(self._database.orders.values()):
            await self._random.pause()
            if row.source_offset < following.next_offsets.get(row.source_partition, 0):
                following.load([row.event()])

    def _prepare(self, rulesets: DecidingRulesets) -> Prepared:
        """Histories of all that is stored, as a detector reads them from the database."""
        self.loads += 1
        history = StreamFeatures(rulesets.features)
        for row in sorted(self._database.orders.values(), key=lambda row: row.source_offset):
            history.add(row.event(), row.source_partition, row.source_offset)
            self._recent.note(row.order_id)
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
            recent=self._recent,
            labels=labels.run if any(feature.label for feature in rulesets.features) else None,
        )
        return Prepared(rulesets, self._evaluator(rulesets, history), follower)

    def _without_history(self, rulesets: DecidingRulesets) -> Prepared:
        return Prepared(rulesets, self._evaluator(rulesets, None), None)

    def _evaluator(self, rulesets: DecidingRulesets, history: StreamFeatures | None) -> OrderEvaluator:
        return OrderEvaluator(EventDecoder(), rulesets.stable, history, rollout=rulesets.rollout, recent=self._recent)

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
