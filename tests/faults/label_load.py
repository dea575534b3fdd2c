"""A load of labels beside the orders, and what their features should be by plain Python over the stored rows."""

import asyncio
import bisect
import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

import asyncpg
import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from order_contract.seen import decode_seen, decode_seen_labels
from order_platform.settings import KafkaSettings
from tests.support.ledger import Ledger

LABELS: Final = ("fraud", "chargeback", "legitimate")
UNKNOWN_SHARE: Final = 0.05
RECENT: Final = 5_000
Row = asyncpg.Record
Place = tuple[int, int, int]


class LabelLoad:
    """Labels orders that were acknowledged, some of them again and again, and some that do not exist."""

    def __init__(self, settings: KafkaSettings, ledger: Ledger, *, rate: float, seed: int = 1) -> None:
        self._settings = settings
        self._ledger = ledger
        self._rate = rate
        self._random = random.Random(seed)
        self._stop = asyncio.Event()
        self.acknowledged: set[tuple[int, int]] = set()

    def stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        producer = AIOKafkaProducer(
            **self._settings.client_options(), enable_idempotence=True, request_timeout_ms=120_000, linger_ms=5
        )
        async with producer:
            while not self._stop.is_set():
                await asyncio.sleep(1 / self._rate)
                if not self._ledger.acknowledged:
                    continue
                order_id = self._choose_order()
                label = {
                    "order_id": order_id, "label": self._random.choice(LABELS), "source": "test",
                    "at": datetime.now(UTC).isoformat(),
                }  # fmt: skip
                try:
                    sent = await producer.send_and_wait(
                        self._settings.labels_topic, orjson.dumps(label), order_id.encode()
                    )
                except KafkaError:
                    continue
                self.acknowledged.add((sent.partition, sent.offset))

    def _choose_order(self) -> str:
        if self._random.random() < UNKNOWN_SHARE:
            return f"unknown-{self._random.randrange(100)}"
        acknowledged = self._ledger.acknowledged
        newest = reversed(acknowledged.values())
        value = next(islice(newest, self._random.randrange(min(RECENT, len(acknowledged))), None))
        try:
            return str(orjson.loads(value or b"")["order_id"])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return "broken"


class LabelOracle:
    """The label features of tests/faults/history_rules.yaml by the words of the contract, over all stored rows."""

    def __init__(self, orders: Sequence[Row], labels: Sequence[Row]) -> None:
        self.orders = orders
        self.labels = [(label["partition"], label["offset"]) for label in labels]
        self._labels: dict[str, list[tuple[Place, str]]] = defaultdict(list)
        for label in labels:
            place = label["epoch"], label["offset"], label["partition"]
            self._labels[label["order_id"]].append((place, label["label"]))
        self._by_key: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for order in sorted(orders, key=_created):
            for key in ("user_id", "product_id"):
                self._by_key[key, order[key]].append(order)

    @classmethod
    async def read(cls, database_url: str) -> "LabelOracle":
        """Everything that is stored."""
        connection = await asyncpg.connect(database_url)
        try:
            orders = await connection.fetch(
                "select order_id, user_id, product_id, created_date, source_partition, source_offset, seen, features"
                " from orders"
            )
            labels = await connection.fetch('select order_id, label, epoch, partition, "offset" from labels')
        finally:
            await connection.close()
        return cls(orders, labels)

    def differences(self, order: Row) -> list[str]:
        """Where an order's stored label features are not what they should be; none for one without features."""
        stored = orjson.loads(order["features"])
        if stored.get("too_late"):
            return []
        fraud = self._orders_with(order, "user_id", timedelta(hours=1), "fraud")
        product = self._orders_with(order, "product_id", timedelta(hours=24), "fraud")
        everything = self._orders_with(order, "product_id", timedelta(hours=24), None)
        expected = {
            "user_frauds_1h": len(fraud),
            "product_fraud_users_24h": len({each["user_id"] for each in product}),
            "product_legitimate_share_24h": (
                len(self._orders_with(order, "product_id", timedelta(hours=24), "legitimate")) / len(everything)
                if everything
                else None
            ),
        }
        return [
            f"{order['order_id']}: {name} is {stored[name]}, expected {value}"
            for name, value in expected.items()
            if stored[name] != value
        ]

    def _orders_with(self, order: Row, key: str, window: timedelta, label: str | None) -> list[Row]:
        """The other orders of the key in the window that had been seen, with the label that had been seen of them."""
        seen = decode_seen(order["seen"], order["source_partition"], order["source_offset"])
        candidates, created = self._by_key[key, order[key]], order["created_date"]
        first = bisect.bisect_right(candidates, created - window, key=_created)
        end = bisect.bisect_right(candidates, created, key=_created)
        return [
            other
            for other in candidates[first:end]
            if other["order_id"] != order["order_id"]
            and other["source_offset"] < _at(seen, other["source_partition"])
            and (label is None or self._label(other["order_id"], order["seen"]) == label)
        ]

    def _label(self, order_id: str, seen: bytes) -> str | None:
        """The newest label of an order that had been read."""
        read = decode_seen_labels(seen)
        if read is None or order_id not in self._labels:
            return None
        known = [
            (place, label)
            for place, label in self._labels[order_id]
            if place[0] < read.epoch or (place[0] == read.epoch and place[1] < _at(read.next_offsets, place[2]))
        ]
        return max(known)[1].replace("chargeback", "fraud") if known else None


def _created(row: Row) -> datetime:
    created: datetime = row["created_date"]
    return created


def _at(offsets: Sequence[int], partition: int) -> int:
    return offsets[partition] if partition < len(offsets) else 0
