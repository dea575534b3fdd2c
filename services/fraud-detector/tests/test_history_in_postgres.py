"""History features against SQL over what Postgres stores: decided in batches, stored, loaded, and computed again."""

import random
import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import asyncpg
import orjson
import pytest
from prometheus_client import CollectorRegistry

from decision_engine.history.declaration import OVER_LABELS, OVER_NUMBERS, OVER_TEXTS, SECOND, Aggregate, HistoryFeature
from decision_engine.history.labelled_orders import LABEL_BYTES
from decision_engine.history.stream_features import PENDING_SHARE, StreamFeatures
from decision_engine.ruleset import load_ruleset
from fraud_detector.history.loader import load_history, load_recent, needed_columns
from fraud_detector.history.recomputation import compute_features
from fraud_detector.history.stored_events import StoredEvent, read_events
from fraud_detector.labels.batch import read_batch
from fraud_detector.labels.follower import LabelFollower
from fraud_detector.labels.kafka_published_labels import KafkaPublishedLabels
from fraud_detector.labels.metrics import LabelMetrics
from fraud_detector.labels.postgres_orders import LabelSource, OrderSource, PostgresOrders
from fraud_detector.labels.postgres_store import PostgresLabelStore
from fraud_detector.stream.batch import Batch
from fraud_detector.stream.health import HealthState
from fraud_detector.stream.order_evaluator import OrderEvaluator
from fraud_detector.stream.pace import Pace
from fraud_detector.stream.ports import UnstoredOrdersError
from fraud_detector.stream.postgres_store import PostgresStore
from fraud_detector.stream.recent_orders import RecentOrders
from order_contract.decision import OrderRow
from order_contract.decoding.decoder import EventDecoder
from order_contract.event import OrderEvent
from order_contract.label import Label, LabelEvent
from order_contract.label_record import encode_label
from order_platform.postgres.copy_rows import ROWS_ARE_COMPILED
from order_platform.settings import KafkaSettings, Subscription
from simulation.fakes import FakeMessage

RULESET = load_ruleset()
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PARTITIONS = 3
CONDITIONS: dict[str | None, Callable[[OrderEvent], bool] | None] = {
    None: None,
    "quantity > 1": lambda event: event.quantity > 1,
}
FEATURES = [
    HistoryFeature(
        f"{aggregate}_{'_'.join(key)}_{window // SECOND}_{where}_{label}",
        aggregate,
        key,
        window,
        field,
        where,
        label,
        condition,
    )
    for aggregate in Aggregate
    for label in (("fraud", "legitimate") if aggregate in OVER_LABELS else (None,))
    for key in (("user_id",), ("device_id",), ("user_id", "ip_address"), ("attributes.shop's",))
    for where, condition in CONDITIONS.items()
    for window in (90 * 60 * SECOND, 30 * 24 * 3_600 * SECOND)
    for field in ["amount" if aggregate in OVER_NUMBERS else "product_id" if aggregate in OVER_TEXTS else None]
]


def order(chance: random.Random, number: int) -> bytes:
    """An order of one of few keys and 40 days, sometimes one that was sent before, with other content at times."""
    repeated = chance.random() < 0.1
    if repeated:
        number = chance.randrange(number + 1)
        chance = random.Random(number + chance.choice((0, 1)))
    created = NOW - timedelta(seconds=chance.choice((0, 600, 86_400, 40 * 86_400)) * chance.random())
    fields = {
        "order_id": f"O{number}",
        "user_id": f"U{chance.randrange(5)}",
        "product_id": f"P{chance.randrange(4)}",
        "quantity": chance.randrange(1, 4),
        "amount": chance.choice((0, 1, 999, 10**15)),
        "currency": chance.choice(("IDR", "IDR", "USD")),
        "payment_method": "OVO",
        "country": "ID",
        "created_date": created.isoformat(),
    }
    if chance.random() < 0.6:
        fields["device_id"] = f"D{chance.randrange(3)}"
    fields |= chance.choice(({}, {"shop's": "S1"}, {"shop's": "1"}, {"shop's": 1}, {"shop's": 1.0}, {"shop's": True}))
    if chance.random() < 0.6:
        fields["ip_address"] = f"10.0.0.{chance.randrange(3)}"
    return orjson.dumps(fields)


def decide(evaluator: OrderEvaluator, messages: Sequence[FakeMessage]) -> Batch:
    batch = Batch(has_history=True)
    for message in messages:
        row = evaluator.evaluate(message, NOW, batch.uncounted)
        assert isinstance(row, OrderRow)
        batch.orders.append((row, message))
        batch.next_offsets[message.partition] = message.offset + 1
    return batch


class Labels:
    """Topic labels, followed by the histories and stored beside the orders."""

    def __init__(self, chance: random.Random, url: str, history: StreamFeatures) -> None:
        self._chance = chance
        self._sent = [0] * PARTITIONS
        self._store = PostgresLabelStore(url, Subscription("labels", "group-labels"))
        health = HealthState(lambda: 0.0)
        self._follower = LabelFollower(
            KafkaPublishedLabels(KafkaSettings(), {}),  # not asked: the test gives the messages
            PostgresOrders(url, OrderSource("orders", 1, needed_columns(FEATURES))),
            history,
            lambda: (),
            epoch=1, label_epoch=1, now=lambda: NOW, metrics=LabelMetrics(CollectorRegistry()), health=health,
        )  # fmt: skip

    async def begin(self) -> None:
        assert await self._store.bind(None) == 1

    async def send(self, count: int, orders: int) -> None:
        """Label some orders, those to come as well."""
        polled: dict[int, list[FakeMessage]] = {}
        for _ in range(count):
            order_id = f"O{self._chance.randrange(orders + 20)}"
            partition = zlib.crc32(order_id.encode()) % PARTITIONS
            event = LabelEvent(order_id, self._chance.choice(list(Label)), "test", None, NOW, None)
            offset, self._sent[partition] = self._sent[partition], self._sent[partition] + 1
            polled.setdefault(partition, []).append(FakeMessage(partition, offset, encode_label(event), topic="labels"))
        await self._follower.follow(polled)
        await self._store.store(read_batch(polled, {}, 1, NOW))


async def store(store: PostgresStore, evaluator: OrderEvaluator, batch: Batch) -> int:
    """Store a batch as the pipeline does; returns how many of its orders are not stored by it."""
    try:
        await store.store(batch)
    except UnstoredOrdersError as error:
        list(evaluator.decide_again([batch], error.origins))
        await store.store(batch)
        return len(error.origins)
    return 0


@pytest.mark.integration
@pytest.mark.parametrize("copy_from", [1, 10_000], ids=["copy", "insert"])
async def test_stored_values_are_those_of_the_stored_orders(database_url: str, copy_from: int) -> None:
    chance = random.Random(1)
    sent = [0] * PARTITIONS
    history = StreamFeatures(FEATURES)
    evaluator = OrderEvaluator(EventDecoder(), RULESET, history, recent=RecentOrders(5))
    postgres = PostgresStore(database_url, topic="orders", rulesets=[RULESET], copy_from=copy_from)
    labels = Labels(chance, database_url, history)
    await labels.begin()
    unstored = 0
    for start in range(0, 300, 20):
        await labels.send(chance.randrange(8), start)
        messages = []
        for number in range(start, start + 20):
            partition = chance.randrange(PARTITIONS)
            messages.append(FakeMessage(partition, sent[partition], order(chance, number)))
            sent[partition] += 1
        unstored += await store(postgres, evaluator, decide(evaluator, messages))
    await postgres.close()
    assert unstored > 10

    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch("select order_id, created_date, features from orders")
        too_late = 0
        sample = chance.sample(rows, 60)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            computed = await compute_features(connection, {row["order_id"]: None for row in sample}, FEATURES)
            none = {row["order_id"]: row["created_date"] for row in sample}
            without_orders = await compute_features(connection, none, FEATURES[:1])
        assert {value for values in without_orders.values() for value in values.values()} == {0}
        for row in sample:
            stored = orjson.loads(row["features"])
            if stored.pop("too_late", False):
                too_late += 1
                assert {stored[feature.name] for feature in FEATURES} == {None}
                continue
            del stored["hour"]
            assert computed[row["order_id"]] == stored, row["order_id"]
        assert 0 < too_late < 30
        shares = "label_share_user_id_2592000_None_fraud", "label_count_device_id_2592000_quantity > 1_legitimate"
        assert all(any(orjson.loads(row["features"])[name] for row in rows) for name in shares)
        await _assert_events_are_read_alike(connection)
        await _assert_the_latest_are_recent(connection, database_url)
    finally:
        await connection.close()

    source = LabelSource("labels", 1)
    loaded = await load_history(database_url, FEATURES, topic="orders", epoch=1, labels=source, heartbeat=lambda: None)
    assert loaded.next_label_offsets == history.next_label_offsets
    assert loaded.labels.pending == history.labels.pending > 0
    assert loaded.next_offsets.keys() == history.next_offsets.keys()
    for number in range(300, 340):
        event = EventDecoder().decode(order(chance, number), NOW)
        assert loaded.features(event) == history.features(event)


async def _assert_the_latest_are_recent(connection: "asyncpg.Connection[asyncpg.Record]", database_url: str) -> None:
    recent = RecentOrders(100)
    await load_recent(database_url, recent, topic="orders", heartbeat=lambda: None, pace=Pace(7), most=50)
    query = "select order_id from orders where source_topic = $1 order by created_date desc, order_id desc"
    order_ids = [order_id for (order_id,) in await connection.fetch(query, "orders")]
    assert len(order_ids) > 50
    assert not RecentOrders(100).is_repeated(order_ids[0])
    assert all(recent.is_repeated(order_id) for order_id in order_ids[:50])
    assert not recent.is_repeated(order_ids[50])


async def _assert_events_are_read_alike(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """By compiled code, where there is some, and by asyncpg."""
    fields = ", ".join(OrderEvent._fields)
    query = f"""
        select {fields}, source_epoch, source_partition, source_offset from orders
        where source_topic = $1 and created_date > $2 order by order_id
    """
    read: list[list[StoredEvent]] = []

    async def process(events: Sequence[StoredEvent]) -> None:
        assert 0 < len(events) <= 7
        read[-1] += events

    for compiled in (ROWS_ARE_COMPILED, False):
        read.append([])
        async with connection.transaction():
            await read_events(
                connection,
                query,
                "orders",
                NOW - timedelta(days=90),
                rows_at_once=7,
                process=process,
                compiled=compiled,
            )
    assert read[0] == read[1]
    assert any(event.attributes for event, *_ in read[0])
    assert all(type(event) is OrderEvent for event, *_ in read[0])


@pytest.mark.integration
async def test_labels_beyond_those_that_may_wait_for_their_orders_are_counted(database_url: str) -> None:
    history = StreamFeatures(FEATURES)
    labels = Labels(random.Random(1), database_url, history)
    await labels.begin()
    await labels.send(60, 0)
    most = 10
    loaded = await load_history(
        database_url,
        FEATURES,
        topic="orders",
        epoch=1,
        labels=LabelSource("labels", 1),
        heartbeat=lambda: None,
        most_bytes=int(most * LABEL_BYTES / PENDING_SHARE),
    )
    assert loaded.labels.pending == most
    assert loaded.labels.dropped == history.labels.pending - most > 0
