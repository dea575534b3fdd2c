"""What history features cost: CPU of an order, memory of many orders, and the time of snapshots. In one process."""

import gc
import itertools
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from decision_engine.history.declaration import SECOND, Aggregate, HistoryFeature
from decision_engine.history.stream_features import StreamFeatures
from fraud_detector.history.snapshots import Snapshots
from order_contract.event import OrderEvent

Progress = Callable[[str], None]

MINUTE = 60 * SECOND
MONTH = 30 * 24 * 60 * MINUTE
KEYS = (("user_id",), ("device_id",), ("ip_address",), ("voucher_code", "device_id"))
START = datetime(2026, 11, 1, tzinfo=UTC)
EVERY = timedelta(milliseconds=200)
ORDERS = 200_000
TIMED = 50_000


@dataclass(frozen=True, slots=True)
class HistoryCost:
    """Microseconds of CPU that ten features over four keys add to an order, with windows of a minute or a month."""

    minute: float
    month: float


@dataclass(frozen=True, slots=True)
class HistorySize:
    """Many orders of many keys: megabytes that they take, and seconds to write and to read their snapshot."""

    orders: int
    keys: int
    megabytes: float
    snapshot_megabytes: float
    write_seconds: float
    read_seconds: float


def ten_features(window: int) -> list[HistoryFeature]:
    """Ten features over four keys, with this window in microseconds."""
    return [
        HistoryFeature("user_orders", Aggregate.COUNT, KEYS[0], window),
        HistoryFeature("user_spent", Aggregate.SUM, KEYS[0], window, "amount"),
        HistoryFeature("user_average", Aggregate.AVERAGE, KEYS[0], window, "amount"),
        HistoryFeature("user_last", Aggregate.SECONDS_SINCE_LAST, KEYS[0], window),
        HistoryFeature("device_orders", Aggregate.COUNT, KEYS[1], window),
        HistoryFeature("device_users", Aggregate.DISTINCT, KEYS[1], window, "user_id"),
        HistoryFeature("device_largest", Aggregate.MAXIMUM, KEYS[1], window, "amount"),
        HistoryFeature("address_users", Aggregate.DISTINCT, KEYS[2], window, "user_id"),
        HistoryFeature("address_orders", Aggregate.COUNT, KEYS[2], window),
        HistoryFeature("voucher_orders", Aggregate.COUNT, KEYS[3], window),
    ]


def measure_history_cost(progress: Progress) -> HistoryCost:
    """Read and add: what deciding an order does with histories."""
    progress("history features: CPU of an order")
    return HistoryCost(_cost(MINUTE), _cost(MONTH))


def _cost(window: int) -> float:
    history = StreamFeatures(ten_features(window))
    orders = list(_orders(ORDERS + TIMED, keys=30_000))
    for offset, order in enumerate(orders[:ORDERS]):
        history.add(order, 0, offset)
    gc.collect()
    gc.freeze()
    started = time.process_time()
    for offset, order in enumerate(orders[ORDERS:], ORDERS):
        history.count(order, 0, offset)
    taken = time.process_time() - started
    gc.unfreeze()
    return 1e6 * taken / TIMED


def measure_history_size(orders: int, keys: int, progress: Progress) -> HistorySize:
    """Orders of users, with their number, what they spent, and the devices that they used."""
    progress(f"history features: {orders:,} orders of {keys:,} users")
    features = [
        HistoryFeature("user_orders", Aggregate.COUNT, KEYS[0], MONTH),
        HistoryFeature("user_spent", Aggregate.SUM, KEYS[0], MONTH, "amount"),
        HistoryFeature("user_devices", Aggregate.DISTINCT, KEYS[0], MONTH, "device_id"),
    ]
    gc.collect()
    before = psutil.Process().memory_info().rss
    history = StreamFeatures(features)
    for offset, order in enumerate(_orders(orders, keys)):
        history.add(order, 0, offset)
    megabytes = (psutil.Process().memory_info().rss - before) / 1e6
    with tempfile.TemporaryDirectory() as name:
        snapshots = Snapshots(Path(name), topic="orders", epoch=1, every=60)
        started = time.perf_counter()
        snapshots.write(history, {0: 0})
        written = time.perf_counter()
        (file,) = Path(name).iterdir()
        size = file.stat().st_size / 1e6
        del history
        started_reading = time.perf_counter()
        assert snapshots.read(features) is not None
        read = time.perf_counter()
    return HistorySize(orders, keys, megabytes, size, written - started, read - started_reading)


def _orders(orders: int, keys: int) -> Iterator[OrderEvent]:
    """Orders in the order of time: every user has two devices and an address, one in ten has vouchers."""
    chance = random.Random(1)
    for number in itertools.islice(itertools.count(), orders):
        user = chance.randrange(keys)
        yield OrderEvent(
            order_id=f"order-{number}",
            user_id=f"user-{user}",
            product_id="P1",
            quantity=1,
            amount=1_000 * chance.randrange(1, 1_000),
            currency="IDR",
            payment_method="OVO",
            country="ID",
            created_date=START + number * EVERY,
            device_id=f"device-{user + number % 2}",
            ip_address=f"10.{user >> 16}.{user >> 8 & 255}.{user & 255}",
            voucher_code=None if user % 10 else f"V{user % 50}",
            email=None,
            shipping_country=None,
            account_created_date=None,
            attributes=None,
        )
