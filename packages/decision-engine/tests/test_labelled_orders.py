"""Labels joined with the orders that count: whichever comes first, newer ones, duplicates in flight, snapshots."""

from datetime import UTC, datetime, timedelta
from io import BytesIO

import msgspec
import pytest

from decision_engine.history.declaration import SECOND, Aggregate, HistoryFeature
from decision_engine.history.labelled_orders import LABEL_BYTES, LabelledOrders, LabelRank
from decision_engine.history.snapshot import SnapshotError, read_frame, write_frame
from decision_engine.history.state import HistoryState
from decision_engine.history.stream_features import StreamFeatures
from order_contract.event import OrderEvent
from order_contract.label import Label
from order_contract.seen import SeenLabels, decode_seen_labels

NOON = datetime(2026, 11, 22, 5, tzinfo=UTC)
FEATURES = [
    HistoryFeature("frauds", Aggregate.LABEL_COUNT, ("user_id",), 3_600 * SECOND, label="fraud"),
    HistoryFeature("legitimate", Aggregate.LABEL_COUNT, ("user_id",), 3_600 * SECOND, label="legitimate"),
    HistoryFeature("share", Aggregate.LABEL_SHARE, ("user_id",), 3_600 * SECOND, label="fraud"),
]


def order(order_id: str, *, minutes: int = 0, user: str = "u") -> OrderEvent:
    created = NOON + timedelta(minutes=minutes)
    return OrderEvent(
        order_id, user, "p", 1, 1, "IDR", "OVO", "ID", created, None, None, None, None, None, None, {"note": [1, 2.5]}
    )


def rank(offset: int) -> LabelRank:
    return LabelRank(1, offset, 0)


def values(history: StreamFeatures) -> tuple[object, object, object]:
    found = history.features(order("next", minutes=1))
    return found["frauds"], found["legitimate"], found["share"]


@pytest.fixture
def history() -> StreamFeatures:
    history = StreamFeatures(FEATURES)
    history.advance_time(NOON)
    return history


def test_a_label_counts_once_its_order_does(history: StreamFeatures) -> None:
    history.apply_label("o1", Label.CHARGEBACK, rank(0))
    assert values(history) == (0, 0, None)
    assert history.labels.pending == 1
    history.add(order("o1"), 0, 0)
    history.add(order("o2"), 0, 1)
    assert values(history) == (1, 0, 0.5)
    assert history.labels.pending == 0


def test_a_newer_label_replaces_an_older_one_whatever_the_sequence(history: StreamFeatures) -> None:
    history.apply_label("o1", Label.LEGITIMATE, rank(7))
    history.add(order("o1"), 0, 0)
    history.apply_label("o1", Label.FRAUD, rank(3))
    assert values(history) == (0, 1, 0)
    history.apply_label("o1", Label.FRAUD, rank(9))
    assert values(history) == (1, 0, 1)
    history.apply_label("o1", Label.CHARGEBACK, rank(10))
    history.apply_label("o1", Label.CHARGEBACK, rank(10))
    assert values(history) == (1, 0, 1)


def test_an_order_in_flight_takes_its_label_along_and_leaves_it_for_the_one_that_is_stored(
    history: StreamFeatures,
) -> None:
    history.apply_label("o1", Label.FRAUD, rank(0))
    history.add(order("o1"), 0, 4)
    history.add(order("o1", user="other"), 1, 8)  # the one that is stored, of another user
    history.remove(order("o1"), 0, 4)
    assert values(history) == (0, 0, None)
    assert history.features(order("next", minutes=1, user="other"))["frauds"] == 1
    history.remove(order("o1", user="other"), 1, 8)
    assert history.labels.pending == 1


def test_an_order_that_enters_while_its_label_is_awaited_is_known(history: StreamFeatures) -> None:
    history.await_orders(["o1", "o2", "o3"])
    history.add(order("o1"), 0, 0)
    assert values(history) == (0, 0, 0)
    history.find_labelled(order("o2"), 0, 5)  # stored, and not followed up to there
    history.apply_label("o1", Label.FRAUD, rank(0))
    history.apply_label("o2", Label.FRAUD, rank(1))
    history.skip_label("o3")
    assert (values(history), history.labels.pending) == ((1, 0, 1), 1)


def test_too_many_labels_without_orders_drop_the_oldest() -> None:
    labels = LabelledOrders(HistoryState(FEATURES), most_pending=2)
    for number in range(4):
        labels.apply(f"o{number}", Label.FRAUD, rank(number))
    assert (labels.pending, labels.dropped) == (2, 2)
    assert [entry[0] for entry in labels.entries()] == ["o2", "o3"]


def test_labels_are_forgotten_with_their_orders(history: StreamFeatures) -> None:
    history.apply_label("o1", Label.FRAUD, rank(0))
    history.apply_label("waiting", Label.FRAUD, rank(1))
    history.add(order("o1"), 0, 0)
    history.advance_time(NOON + timedelta(days=8))
    list(history.forget())
    assert [entry[0] for entry in history.labels.entries()] == ["waiting"]


def test_labelled_orders_are_within_the_bound_on_memory() -> None:
    complete, short = StreamFeatures(FEATURES), StreamFeatures(FEATURES, most_bytes=300_000)
    for history in (complete, short):
        for number in range(1_000):
            history.await_orders([f"o{number}"])
            history.add(order(f"o{number}", minutes=number), 0, number)
            history.apply_label(f"o{number}", Label.FRAUD, rank(number))
        list(history.forget())
    assert complete.horizon is None
    assert complete.labels.labelled == 1_000
    assert complete.size > complete.labels.size > 1_000 * 600
    assert short.size <= 300_000
    assert short.horizon is not None
    assert 50 < short.labels.labelled < 500
    assert [entry[0] for entry in short.labels.entries()][-1] == "o999"  # the oldest are forgotten


def test_large_attributes_of_a_labelled_order_count() -> None:
    history = StreamFeatures(FEATURES, most_bytes=1_000_000)
    history.await_orders(["large"])
    history.add(order("large")._replace(attributes={"note": "x" * 200_000}), 0, 0)
    history.apply_label("large", Label.FRAUD, rank(0))
    history.add(order("next", minutes=1), 0, 1)
    list(history.forget())
    assert history.labels.labelled == 0
    assert history.size < 1_000_000


def test_labels_without_orders_take_a_share_of_the_bound_and_end_the_forgetting() -> None:
    history = StreamFeatures(FEATURES, most_bytes=100_000)
    for number in range(1_000):
        history.apply_label(f"o{number}", Label.FRAUD, rank(number))
    assert 20 < history.labels.pending < 40
    assert history.labels.dropped == 1_000 - history.labels.pending
    list(history.forget())
    assert 0 < history.size < 20_000
    history.late_orders, history.shortened_orders = 3, 5
    again = StreamFeatures(FEATURES)
    with BytesIO() as file:
        history.write(file)
        file.seek(0)
        again.read(file)
    assert again.labels.dropped == history.labels.dropped
    assert (again.late_orders, again.shortened_orders) == (3, 5)


def test_a_snapshot_of_a_release_that_kept_fewer_counts_is_read(history: StreamFeatures) -> None:
    history.apply_label("o1", Label.FRAUD, rank(0))
    again = StreamFeatures(FEATURES)
    with BytesIO() as file, BytesIO() as earlier:
        history.write(file)
        file.seek(0)
        write_frame(earlier, msgspec.msgpack.encode(msgspec.msgpack.decode(read_frame(file))[:7]))
        earlier.write(file.read())
        earlier.seek(0)
        again.read(earlier)
    assert (again.labels.pending, again.labels.dropped) == (1, 0)


def test_forgetting_labels_can_be_spread_while_labels_change(history: StreamFeatures) -> None:
    for number in range(20):
        history.await_orders([f"o{number}"])
        history.add(order(f"o{number}", user=f"u{number}"), 0, number)
        history.apply_label(f"o{number}", Label.FRAUD, rank(number))
    history.advance_time(NOON + timedelta(days=8))
    yields = 0
    for yields, _ in enumerate(history.forget(), 1):
        if yields == 3:
            history.apply_label("late", Label.FRAUD, rank(30))
            history.remove(order("o19", user="u19"), 0, 19)
    assert yields >= 20
    assert history.labels.labelled == 0
    assert history.labels.size == history.labels.pending * LABEL_BYTES


def test_a_snapshot_has_the_labels(history: StreamFeatures) -> None:
    history.apply_label("o1", Label.FRAUD, rank(0))
    history.apply_label("later", Label.FRAUD, rank(1))
    history.add(order("o1"), 0, 0)
    history.advance_labels({0: 2, 2: 300})
    file = BytesIO()
    history.write(file)

    again = StreamFeatures(FEATURES)
    again.read(BytesIO(file.getvalue()))
    assert decode_seen_labels(again.seen(0)) == SeenLabels(1, [2, 0, 300])
    for each in (history, again):
        each.add(order("later"), 0, 1)
        each.apply_label("o1", Label.LEGITIMATE, rank(2))
        assert values(each) == (1, 1, 0.5)
    assert history.labels.size == again.labels.size
    with pytest.raises(SnapshotError, match="other features"):
        StreamFeatures(FEATURES, label_epoch=2).read(BytesIO(file.getvalue()))


def test_a_snapshot_has_labelled_orders_of_which_only_some_fields_were_read(history: StreamFeatures) -> None:
    unread = dict.fromkeys(OrderEvent._fields) | {"order_id": "o1", "user_id": "u", "currency": "IDR"}
    event = OrderEvent(**{**unread, "created_date": NOON})  # type: ignore[arg-type]
    history.load([event])
    history.advance(0, 1)
    history.await_orders(["o1"])
    history.find_labelled(event, 0, 0)
    history.apply_label("o1", Label.FRAUD, rank(0))
    with BytesIO() as file:
        history.write(file)
        file.seek(0)
        again = StreamFeatures(FEATURES)
        again.read(file)
    again.apply_label("o1", Label.LEGITIMATE, rank(1))
    assert values(again) == (0, 1, 0)


def test_after_a_snapshot_a_label_may_change_whose_order_was_forgotten() -> None:
    # Labels are read for a day, and orders for a month: the label series forgets an order that is kept otherwise.
    features = [
        HistoryFeature("frauds", Aggregate.LABEL_COUNT, ("user_id",), 24 * 3_600 * SECOND, label="fraud"),
        HistoryFeature("orders", Aggregate.COUNT, ("user_id",), 30 * 24 * 3_600 * SECOND),
    ]
    history, again = StreamFeatures(features), StreamFeatures(features)
    history.add(order("o1"), 0, 0)
    history.apply_label("o1", Label.FRAUD, rank(0))
    history.add(order("o2", minutes=9 * 24 * 60), 0, 1)
    list(history.forget())
    with BytesIO() as file:
        history.write(file)
        file.seek(0)
        again.read(file)
    for features_of in (history, again):
        features_of.apply_label("o1", Label.LEGITIMATE, rank(1))
        found = features_of.features(order("o3", minutes=9 * 24 * 60 + 1))
        assert (found["frauds"], found["orders"]) == (0, 2)
