"""History features against a plain aggregation over all orders."""

import gc
import io
import math
import random
import statistics
import tracemalloc
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from decision_engine.history import compiler
from decision_engine.history.declaration import OVER_LABELS, OVER_NUMBERS, SECOND, Aggregate, HistoryFeature
from decision_engine.history.series import NO_HORIZON, field_of, microseconds
from decision_engine.history.series_functions import KERNEL_IS_COMPILED
from decision_engine.history.snapshot import SnapshotError
from decision_engine.history.state import HistoryState
from decision_engine.history.stream_features import HISTORY_SINCE, TOO_LATE, StreamFeatures
from order_contract.event import OrderEvent

MINUTE = 60 * SECOND
WINDOWS = (MINUTE, 90 * MINUTE, 24 * 60 * MINUTE, 30 * 24 * 60 * MINUTE)
KEYS = (("user_id",), ("device_id",), ("user_id", "ip_address"), ("country",), ("attributes.terminal", "country"))
START = datetime(2026, 1, 1, tzinfo=UTC)
ATTRIBUTES = (None, {}, *({"terminal": value} for value in (7, True, 1.5, "T1", "T2")))


def every_feature() -> list[HistoryFeature]:
    """Each aggregate of each field that it takes, for each key and window."""
    fields: dict[Aggregate, Sequence[str | None]] = {
        aggregate: ("amount", "quantity") if aggregate in OVER_NUMBERS else (None,) for aggregate in Aggregate
    }
    fields[Aggregate.DISTINCT] = fields[Aggregate.LABEL_DISTINCT] = ("user_id", "voucher_code")
    conditions: list[tuple[str | None, Callable[[OrderEvent], bool] | None]] = [
        (None, None),
        ("quantity < 300", lambda event: event.quantity < 300),
    ]
    return [
        HistoryFeature(
            name=f"{aggregate}-{field}-{'-'.join(key)}-{window}-{where}",
            aggregate=aggregate,
            key=key,
            window=window,
            field=field,
            where=where,
            condition=condition,
            label="fraud" if aggregate in OVER_LABELS else None,
        )
        for key in KEYS
        for window in WINDOWS
        for aggregate in Aggregate
        for field in fields[aggregate]
        for where, condition in (conditions if window == 90 * MINUTE else conditions[:1])
    ]


def expected(  # noqa: PLR0911  (one return per aggregate)
    feature: HistoryFeature, order: OrderEvent, others: Iterable[OrderEvent], labelled: Collection[OrderEvent]
) -> Any:
    """The value by the words of the contract."""
    key = [field_of(order, name) for name in feature.key]
    if None in key:
        return None
    time = microseconds(order.created_date)

    found = sorted(
        (microseconds(other.created_date), None if feature.field is None else getattr(other, feature.field))
        for other in others
        if [field_of(other, name) for name in feature.key] == key
        and (feature.condition is None or feature.condition(other))
        and (feature.aggregate not in {Aggregate.LABEL_COUNT, Aggregate.LABEL_DISTINCT} or other in labelled)
        and time - feature.window < microseconds(other.created_date) <= time
        and (not feature.is_money or other.currency == order.currency)
        and (feature.field is None or getattr(other, feature.field) is not None)
    )
    times = [each[0] for each in found]
    values: list[Any] = [each[1] for each in found]
    match feature.aggregate:
        case Aggregate.COUNT | Aggregate.LABEL_COUNT:
            return len(found)
        case Aggregate.LABEL_SHARE:
            counted = expected(replace(feature, aggregate=Aggregate.LABEL_COUNT), order, others, labelled)
            return counted / len(found) if found else None
        case Aggregate.SUM:
            return sum(values)
        case Aggregate.DISTINCT | Aggregate.LABEL_DISTINCT:
            return len(set(values))
        case Aggregate.DEVIATION:
            return statistics.stdev(values) if len(values) > 1 else None
    if not found:
        return None
    match feature.aggregate:
        case Aggregate.AVERAGE:
            return sum(values) / len(values)
        case Aggregate.RATIO_TO_AVERAGE:
            return getattr(order, str(feature.field)) * len(values) / sum(values) if sum(values) else None
        case Aggregate.MINIMUM:
            return min(values)
        case Aggregate.MAXIMUM:
            return max(values)
        case Aggregate.SECONDS_SINCE_FIRST:
            return (time - times[0]) / SECOND
    return (time - times[-1]) / SECOND


def random_order(chance: random.Random, number: int, now: datetime, keys: int) -> OrderEvent:
    """An order that is often late, sometimes at the very microsecond of another, and sometimes enormous."""
    lateness = chance.choice((0, 0, 0, 0, MINUTE, 60 * MINUTE, 20 * 24 * 60 * MINUTE))
    created = now - timedelta(microseconds=chance.randrange(lateness + 1))
    if chance.random() < 0.2:
        created = created.replace(microsecond=0, second=0)
    return OrderEvent(
        order_id=f"O{number}",
        user_id=f"U{chance.randrange(keys)}",
        product_id="P1",
        quantity=chance.choice((1, 2, 300, 2**63 - 1)),
        amount=chance.choice((0, 1, chance.randrange(10**9), 10**15)),
        currency=chance.choice(("IDR", "IDR", "IDR", "USD")),
        payment_method="OVO",
        country=chance.choice(("ID", "ID", "SG")),
        created_date=created,
        device_id=chance.choice((None, f"D{chance.randrange(keys)}")),
        ip_address=chance.choice((None, "10.0.0.1", "10.0.0.2")),
        voucher_code=chance.choice((None, f"V{chance.randrange(2 * keys)}")),
        email=None,
        shipping_country=None,
        account_created_date=None,
        attributes=chance.choice(ATTRIBUTES),
    )


def differences(
    actual: dict[str, object], order: OrderEvent, others: Sequence[OrderEvent], labelled: Collection[OrderEvent]
) -> dict[str, object]:
    """The features whose value is not that of the contract, with both."""
    wrong: dict[str, object] = {}
    for feature in every_feature():
        value, right = actual[feature.name], expected(feature, order, others, labelled)
        same = value == right or (
            feature.aggregate is Aggregate.DEVIATION
            and isinstance(value, float)
            and isinstance(right, float)
            and math.isclose(value, right, rel_tol=1e-15)
        )
        if not same:
            wrong[feature.name] = (value, right)
    return wrong


@pytest.mark.parametrize("chunk", [2, 8, 512])
@pytest.mark.parametrize("seed", range(3))
def test_every_value_is_the_aggregate_over_the_other_orders(seed: int, chunk: int) -> None:
    chance = random.Random(seed)
    state = HistoryState(every_feature(), chunk=chunk)
    added: list[OrderEvent] = []
    labelled: list[OrderEvent] = []
    now = START
    for number in range(60):
        now += timedelta(microseconds=chance.choice((0, 1, SECOND, 90 * MINUTE)))
        order = random_order(chance, number, now, keys=4)
        values = state.values(order)
        assert differences(dict(values), order, added, labelled) == {}, order
        if number % 2:
            state.add(order)
        else:
            assert list(state.count(order).items()) == list(values.items())
        added.append(order)
        if chance.random() < 0.3:
            labelled.append(chance.choice([each for each in added if each not in labelled]))
            state.add_label(labelled[-1], "fraud")
        if labelled and chance.random() < 0.1:
            state.remove_label(labelled.pop(chance.randrange(len(labelled))), "fraud")
        if chance.random() < 0.15:
            removed = added.pop(chance.randrange(len(added)))
            state.remove(removed)
            if removed in labelled:
                labelled.remove(removed)
                state.remove_label(removed, "fraud")


@pytest.mark.skipif(not KERNEL_IS_COMPILED, reason="no C compiler was there when it was installed")
@pytest.mark.parametrize(("chunk", "horizon"), [(8, None), (512, None), (512, 60)])
def test_generated_python_gives_what_the_compiled_kernel_gives(chunk: int, horizon: int | None) -> None:
    chance = random.Random(11)
    compiled = HistoryState(every_feature(), chunk=chunk)
    generated = HistoryState(every_feature(), chunk=chunk, compile_series=compiler.compile_series)
    since = microseconds(START + timedelta(minutes=horizon)) if horizon else NO_HORIZON
    for number in range(150):
        order = random_order(chance, number, START + timedelta(minutes=number), keys=2)
        values = generated.values(order, since)
        assert repr(compiled.values(order, since)) == repr(values)
        if number % 3:
            generated.add(order)
            compiled.add(order)
        else:
            assert repr(compiled.count(order, since)) == repr(values)
            generated.count(order, since)
        if number % 4 == 0:
            compiled.add_label(order, "fraud")
            generated.add_label(order, "fraud")
    snapshots = [io.BytesIO(), io.BytesIO()]
    for state, snapshot in zip((compiled, generated), snapshots, strict=True):
        state.write(snapshot)
    assert snapshots[0].getvalue() == snapshots[1].getvalue()


@pytest.mark.skipif(not KERNEL_IS_COMPILED, reason="no C compiler was there when it was installed")
def test_the_compiled_kernel_refuses_what_is_not_an_order() -> None:
    state = HistoryState(every_feature())
    for order in (None, (), {"user_id": "U1"}):
        with pytest.raises(TypeError, match="an order event was expected"):
            state.add(order)  # type: ignore[arg-type]


@pytest.mark.skipif(not KERNEL_IS_COMPILED, reason="no C compiler was there when it was installed")
def test_orders_that_lack_any_combination_of_many_keys_have_their_values() -> None:
    chance = random.Random(5)
    names = [f"a{number}" for number in range(70)]
    state = HistoryState(HistoryFeature(name, Aggregate.COUNT, (f"attributes.{name}",), MINUTE) for name in names)
    order = random_order(chance, 1, START, keys=1)._replace(created_date=START)
    state.add(order._replace(attributes={"a3": "known"}))
    for _ in range(1_200):
        attributes = {name: chance.choice(("known", "new")) for name in names if chance.random() < 0.5}
        known = {name: int(name == "a3" and value == "known") for name, value in attributes.items()}
        assert state.values(order._replace(attributes=attributes)) == dict.fromkeys(names) | known


def test_the_garbage_collector_passes_over_no_compiled_histories() -> None:
    state = HistoryState([HistoryFeature("orders", Aggregate.COUNT, ("user_id", "device_id"), MINUTE)])
    state.add(random_order(random.Random(1), 1, START, keys=1)._replace(device_id="D1"))
    ((key, history),) = state.missing[0].histories.items()
    assert not gc.is_tracked(key)
    assert not gc.is_tracked(history)


def test_a_window_is_open_at_its_beginning_and_closed_at_its_end() -> None:
    feature = HistoryFeature("orders", Aggregate.COUNT, ("user_id",), MINUTE)
    state = HistoryState([feature])
    order = random_order(random.Random(1), 1, START, keys=1)._replace(created_date=START)
    state.add(order._replace(created_date=START - timedelta(microseconds=MINUTE)))
    assert state.values(order) == {"orders": 0}
    state.add(order._replace(created_date=START - timedelta(microseconds=MINUTE - 1)))
    state.add(order)
    state.add(order._replace(created_date=START + timedelta(microseconds=1)))
    assert state.values(order) == {"orders": 2}


def test_what_was_never_added_cannot_be_removed() -> None:
    state = HistoryState([HistoryFeature("spent", Aggregate.SUM, ("user_id",), MINUTE, "amount")])
    order = random_order(random.Random(1), 1, START, keys=1)
    with pytest.raises(LookupError, match="no order of"):
        state.remove(order)
    state.add(order)
    with pytest.raises(LookupError, match="no order of"):
        state.remove(order._replace(amount=order.amount + 1))


@pytest.mark.parametrize("chunk", [2, 8, 512])
def test_values_stay_when_what_no_window_reaches_is_forgotten(chunk: int) -> None:
    chance = random.Random(4)
    lateness = 24 * 60 * MINUTE
    complete, forgetting = (HistoryState(every_feature(), chunk=chunk) for _ in range(2))
    now = START
    for number in range(80):
        now += timedelta(microseconds=chance.choice((SECOND, 90 * MINUTE, 15 * 24 * 60 * MINUTE)))
        order = random_order(chance, number, now, keys=3)
        if now - order.created_date < timedelta(microseconds=lateness):
            assert forgetting.values(order) == complete.values(order)
        for state in (complete, forgetting):
            state.add(order)
        if number % 5 == 0:
            list(forgetting.forget(microseconds(now), lateness))
    assert forgetting.keys < complete.keys
    list(forgetting.forget(microseconds(now) + lateness + 2 * max(WINDOWS), 0))
    assert forgetting.keys == 0


def test_an_order_that_was_forgotten_may_be_taken_back() -> None:
    state = HistoryState([HistoryFeature("spent", Aggregate.SUM, ("user_id",), MINUTE, "amount")])
    order = random_order(random.Random(1), 1, START, keys=1)
    state.add(order)
    list(state.forget(microseconds(START) + 3 * 24 * 3_600 * SECOND * 10, 0))
    state.remove(order)
    assert state.keys == 0


@pytest.mark.parametrize("chunk", [2, 8, 512])
def test_a_snapshot_gives_the_same_values_and_can_be_continued(chunk: int) -> None:
    chance = random.Random(7)
    state, again = (HistoryState(every_feature(), chunk=chunk) for _ in range(2))
    orders = [random_order(chance, number, START + timedelta(minutes=number), keys=4) for number in range(80)]
    for order in orders[:60]:
        state.add(order)
    state.add_label(orders[5], "fraud")
    with io.BytesIO() as file:
        state.write(file)
        file.seek(0)
        again.read(file)
        assert not file.read(), "something is left over"
    for order in orders[60:]:
        assert again.values(order) == state.values(order)
        state.add(order)
        again.add(order)
    for order in reversed(orders):
        state.remove(order)
        again.remove(order)
        assert again.values(order) == state.values(order)


@pytest.mark.parametrize("damage", ["truncated", "changed", "empty"])
def test_a_damaged_snapshot_is_refused(damage: str) -> None:
    state = StreamFeatures(every_feature())
    for number in range(20):
        state.add(random_order(random.Random(number), number, START, keys=4), 0, number)
    with io.BytesIO() as file:
        state.write(file)
        content = bytearray(file.getvalue())
    match damage:
        case "truncated":
            del content[len(content) // 2 :]
        case "changed":
            content[len(content) // 2] ^= 1
        case "empty":
            content.clear()
    with pytest.raises(SnapshotError, match="incomplete or damaged"):
        StreamFeatures(every_feature()).read(io.BytesIO(content))


def test_a_snapshot_of_other_features_is_refused() -> None:
    features = every_feature()
    with io.BytesIO() as file:
        StreamFeatures(features).write(file)
        file.seek(0)
        with pytest.raises(SnapshotError, match="other features"):
            StreamFeatures(features[1:]).read(file)


def test_counting_gives_the_features_and_adds() -> None:
    """Also for orders that are too late, and after orders were forgotten."""
    chance = random.Random(5)
    one, two = bounded(100_000), bounded(100_000)
    now, kinds = START, set()
    for offset in range(150):
        now += timedelta(hours=chance.randrange(48))
        order = random_order(chance, offset, now, keys=5)
        order = order._replace(created_date=order.created_date - chance.choice((0, 0, 0, 6, 8, 50)) * timedelta(days=1))
        values = one.features(order)
        one.add(order, offset % 3, offset)
        assert list(two.count(order, offset % 3, offset).items()) == list(values.items())
        kinds.add((TOO_LATE in values, HISTORY_SINCE in values))
        for state in (one, two):
            if offset % 40 == 39:
                list(state.forget())
    assert kinds == {(False, False), (False, True), (True, False)}
    assert one.late_orders == two.late_orders > 0
    assert one.shortened_orders == two.shortened_orders > 0
    assert (one.next_offsets, one.newest, one.histories) == (two.next_offsets, two.newest, two.histories)
    order = random_order(chance, 150, now, keys=5)
    assert one.features(order) == two.features(order)


def bounded(most_bytes: int | None) -> StreamFeatures:
    return StreamFeatures(every_feature(), most_bytes=most_bytes)


def test_beyond_the_bound_on_memory_windows_become_shorter_and_say_so() -> None:
    chance = random.Random(3)
    complete, short = bounded(None), bounded(2_000_000)
    orders = [random_order(chance, number, START + timedelta(hours=number), keys=9) for number in range(400)]
    for offset, order in enumerate(orders):
        for features in (complete, short):
            features.add(order, 0, offset)
    for features in (complete, short):
        list(features.forget())
    assert short.size <= 2_000_000 < complete.size
    assert complete.horizon is None
    assert short.horizon is not None
    assert complete.free_share == math.inf
    assert short.size * (1 + short.free_share) == pytest.approx(2_000_000)

    kept = [order for order in orders if order.created_date > short.horizon]
    assert 10 < len(kept) < len(orders)
    order = random_order(chance, 1_000, orders[-1].created_date, keys=9)
    values = dict(short.features(order))
    assert values.pop(HISTORY_SINCE) == short.horizon.isoformat()
    assert differences(values, order, kept, []) == {}
    assert short.shortened_orders == 1
    assert HISTORY_SINCE not in complete.features(order)
    # An order before the horizon is late: it is not kept.
    short.add(order._replace(created_date=short.horizon), 0, 1_000)
    assert short.late_orders == 1


def test_orders_are_late_by_the_newest_order_and_not_by_a_clock() -> None:
    features = bounded(None)
    order = random_order(random.Random(1), 1, START, keys=1)
    for number in range(3):
        old = order._replace(
            created_date=datetime(2015, 3, 1 + number, tzinfo=UTC), device_id="D", ip_address="10.0.0.1"
        )
        values = features.features(old)
        assert TOO_LATE not in values
        assert values[f"count-None-user_id-{WINDOWS[-1]}-None"] == number
        features.add(old, 0, number)
    features.add(order, 0, 3)
    assert features.features(old)[TOO_LATE]


@pytest.mark.parametrize("count", [100, 2_000])
def test_a_horizon_that_is_later_than_the_order_leaves_nothing_in_its_window(count: int) -> None:
    """Orders that had to be forgotten may still be there; those of few and of many orders say the same."""
    aggregates = (Aggregate.COUNT, Aggregate.SUM, Aggregate.MINIMUM, Aggregate.AVERAGE, Aggregate.DISTINCT)
    features = [
        HistoryFeature(
            name=aggregate.value,
            aggregate=aggregate,
            key=("user_id",),
            window=24 * 60 * MINUTE,
            field=None
            if aggregate is Aggregate.COUNT
            else "user_id"
            if aggregate is Aggregate.DISTINCT
            else "quantity",
        )
        for aggregate in aggregates
    ]
    state = HistoryState(features)
    orders = [random_order(random.Random(number), number, START, 9)._replace(user_id="u") for number in range(count)]
    orders = [each._replace(created_date=START + timedelta(seconds=number)) for number, each in enumerate(orders)]
    for order in orders:
        state.add(order)
    before = state.values(orders[-1], microseconds(START) - 1)
    assert before["count"] == count
    horizon = microseconds(START + timedelta(seconds=80))
    early = state.values(orders[20], horizon)
    assert early == {"count": 0, "sum": 0, "min": None, "avg": None, "distinct": 0}
    assert state.values(orders[-1], microseconds(START) - 1) == before


def test_a_key_with_many_orders_is_forgotten_little_by_little() -> None:
    """Orders are counted, taken back and read while it is forgotten, and no value changes that a window reaches."""
    chance = random.Random(9)
    complete, forgetting = (HistoryState(every_feature(), chunk=4) for _ in range(2))
    now = START
    for number in range(400):
        now += timedelta(hours=4)
        order = random_order(chance, number, now, keys=1)
        for state in (complete, forgetting):
            state.add(order)
    steps = 0
    for steps, _ in enumerate(forgetting.forget(microseconds(now), 0), 1):
        if steps % 20 == 0:
            now += timedelta(minutes=1)
            order = random_order(chance, 1_000 + steps, now, keys=1)._replace(created_date=now)
            assert forgetting.values(order) == complete.values(order)
            for state in (complete, forgetting):
                state.add(order)
                if steps % 40 == 0:
                    state.remove(order)
    assert steps > 3 * forgetting.keys


@pytest.mark.parametrize("currencies", [["IDR"] * 300, ["USD"], ["USD", "EUR", "SGD"], ["IDR", "USD"]])
def test_the_size_of_histories_in_several_currencies_is_estimated(currencies: list[str]) -> None:
    features = [
        HistoryFeature("spent", Aggregate.SUM, ("user_id",), 2 * 60 * MINUTE, "amount"),
        HistoryFeature("largest", Aggregate.MAXIMUM, ("user_id",), 2 * 60 * MINUTE, "amount"),
    ]
    first = random_order(random.Random(1), 1, START, keys=1)
    orders = [
        first._replace(
            user_id=f"user-{user}", currency=currency, amount=1_000_000, created_date=START + timedelta(seconds=number)
        )
        for user in range(100)
        for number, currency in enumerate(currencies * 2)
    ]
    state = HistoryState(features)
    tracemalloc.start()
    try:
        for order in orders:
            state.add(order)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    features_state = StreamFeatures(features)
    for offset, order in enumerate(orders):
        features_state.add(order, 0, offset)
    list(features_state.forget())
    assert 0.8 < features_state.size / taken < 1.6


def test_loaded_orders_are_kept_where_a_window_reaches_them() -> None:
    chance = random.Random(3)
    end = START + timedelta(days=40)
    orders = [
        random_order(chance, number, START + timedelta(hours=3 * number), keys=4)._replace(currency="IDR")
        for number in range(320)
    ]
    added, loaded = StreamFeatures(every_feature()), StreamFeatures(every_feature())
    for each in (added, loaded):
        each.advance_time(end)
    for number, order in enumerate(orders):
        added.add(order, 0, number)
        loaded.load([order])
    for number in range(320, 400):
        late = timedelta(hours=2 * (number - 319))  # up to a week
        order = random_order(chance, number, end, keys=4)._replace(created_date=end - late)
        assert loaded.features(order) == added.features(order)
    assert loaded.histories < added.histories
