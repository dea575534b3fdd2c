"""From a message to a row or a dead letter."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from decision_engine.history.declaration import SECOND, Aggregate, HistoryFeature
from decision_engine.history.stream_features import StreamFeatures
from decision_engine.lists import EntryChange, ListMembers, snooze_name
from decision_engine.ruleset import load_ruleset
from fraud_detector.stream.batch import Batch
from fraud_detector.stream.order_evaluator import OrderEvaluator
from fraud_detector.stream.recent_orders import RecentOrders
from order_contract.dead_letter_record import RejectedMessage, dead_letter_headers
from order_contract.decision import DECISION_COLUMNS, OrderRow
from order_contract.decoding.decoder import EventDecoder
from order_contract.error_types import ErrorType
from simulation.fakes import FakeMessage
from tests.support.plain_order import plain_order

NOW = datetime(2026, 11, 28, 5, tzinfo=UTC)
HISTORY_FEATURES = (HistoryFeature("orders", Aggregate.COUNT, ("user_id",), 3_600 * SECOND),)


def evaluate(order: dict[str, object], timestamp: int) -> OrderRow | RejectedMessage:
    message = FakeMessage(1, 7, orjson.dumps(order), timestamp=timestamp)
    return OrderEvaluator(EventDecoder(), load_ruleset()).evaluate(message, NOW)


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def test_the_future_begins_at_the_append_time_and_not_at_the_clock() -> None:
    # A message of a year ago, read again today.
    appended = NOW - timedelta(days=365)
    order = plain_order(created_date=(appended + timedelta(hours=25)).isoformat())

    assert isinstance(evaluate(order, milliseconds(appended)), RejectedMessage)
    assert isinstance(evaluate(order, milliseconds(appended + timedelta(hours=1))), OrderRow)


@pytest.mark.parametrize("timestamp", [-1, 0, -(2**63), 2**63 - 1, 253_402_300_800_000])
def test_an_invalid_timestamp_stops_nothing(timestamp: int) -> None:
    good, late = plain_order(), plain_order(created_date=(NOW + timedelta(hours=25)).isoformat())

    row = evaluate(good, timestamp)

    assert isinstance(row, OrderRow)
    assert row.appended_at == NOW
    assert isinstance(evaluate(late, timestamp), RejectedMessage)


def test_a_dead_letter_names_all_fields_at_fault() -> None:
    letter = evaluate(plain_order(amount="much", country="IDN", ip_address="x"), milliseconds(NOW))

    assert isinstance(letter, RejectedMessage)
    headers = dict(dead_letter_headers(letter))
    assert headers["error_field"] == b"amount"
    assert orjson.loads(headers["error_fields"]) == ["amount", "country", "ip_address"]
    assert headers["error_type"] == b"bad-value"
    assert b"write ID" in headers["error"]


def test_a_dead_letter_of_no_field_names_none() -> None:
    message = FakeMessage(1, 7, b"{")
    letter = OrderEvaluator(EventDecoder(), load_ruleset()).evaluate(message, NOW)

    assert isinstance(letter, RejectedMessage)
    assert not {"error_field", "error_fields"} & dict(dead_letter_headers(letter)).keys()


def test_an_order_that_is_decided_again_sees_the_lists_of_then() -> None:
    """The decision and the number of the change that it saw always belong together."""
    ruleset, members = load_ruleset(), ListMembers()
    evaluator = OrderEvaluator(EventDecoder(), ruleset, StreamFeatures(HISTORY_FEATURES), members)
    message = FakeMessage(1, 7, orjson.dumps(plain_order(country="SG", device_id="d")), timestamp=milliseconds(NOW))
    row = evaluator.evaluate(message, NOW)
    assert isinstance(row, OrderRow)
    assert (row.outcome, row.lists_seen) == ("review", None)
    batch = Batch(orders=[(row, message)])
    snooze = EntryChange(snooze_name("foreign-country", "device_id"), "device_id", "d", None, True)
    members.apply(4, [snooze])
    list(evaluator.decide_again([batch], {(1, 7)}))
    ((again, _),) = batch.orders
    assert (again.outcome, again.lists_seen, again.risk_score) == ("approve", 4, 0)
    assert [(hit["rule"], hit["mode"]) for hit in orjson.loads(again.hits)] == [("foreign-country", "snoozed")]
    assert again._replace(**{name: getattr(row, name) for name in (*DECISION_COLUMNS, "lists_seen")}) == row
    members.apply(5, [snooze._replace(is_added=False)])
    list(evaluator.decide_again([batch], {(1, 7)}))
    ((last, _),) = batch.orders
    assert (last.outcome, last.lists_seen) == ("review", 5)


def decide(evaluator: OrderEvaluator, partition: int, offset: int, order_id: str) -> Batch:
    """A batch of one message."""
    batch = Batch(has_history=True)
    evaluator.note_start(batch, partition)
    message = FakeMessage(partition, offset, orjson.dumps(plain_order(order_id)))
    row = evaluator.evaluate(message, NOW, batch.uncounted)
    assert isinstance(row, OrderRow)
    batch.orders.append((row, message))
    batch.next_offsets[partition] = offset + 1
    evaluator.advance(batch.next_offsets)
    return batch


def test_a_repeat_that_is_taken_back_may_be_read_again_and_count() -> None:
    history = StreamFeatures(HISTORY_FEATURES)
    evaluator = OrderEvaluator(EventDecoder(), load_ruleset(), history)
    first, repeat, other = (decide(evaluator, *each) for each in ((0, 10, "o1"), (1, 20, "o1"), (1, 21, "o2")))
    assert [bool(batch.uncounted) for batch in (first, repeat, other)] == [False, True, False]
    evaluator.take_back([first, repeat, other])
    assert not history.has_read(1, 20)
    assert not history.has_read(0, 10)


def test_a_repeat_counts_nothing_among_the_latest_orders() -> None:
    history = StreamFeatures([HistoryFeature("orders", Aggregate.COUNT, ("country",), 60 * SECOND)])
    evaluator = OrderEvaluator(EventDecoder(), load_ruleset(), history, recent=RecentOrders(4))
    uncounted: set[tuple[int, int]] = set()
    for offset, order_id in enumerate(["a", "b", "a", "c", "b", "d", "e", "a"]):
        evaluator.evaluate(FakeMessage(0, offset, orjson.dumps(plain_order(order_id=order_id))), NOW, uncounted)

    # The second a and b follow soon; the third a comes when it is no longer known.
    assert uncounted == {(0, 2), (0, 4)}


def test_an_order_that_was_dropped_counts_when_it_is_read_again() -> None:
    evaluator = OrderEvaluator(EventDecoder(), load_ruleset(), StreamFeatures(HISTORY_FEATURES))
    decide(evaluator, 0, 1, "stored")
    evaluator.drop([decide(evaluator, 0, 2, "dropped")])
    assert not decide(evaluator, 0, 2, "dropped").uncounted
    assert decide(evaluator, 0, 3, "stored").uncounted


def test_only_what_comes_after_an_order_that_does_not_count_is_decided_again() -> None:
    history = StreamFeatures(HISTORY_FEATURES)
    evaluator = OrderEvaluator(EventDecoder(), load_ruleset(), history)
    batch = decide(evaluator, 0, 0, "o0")
    for partition, offset in ((1, 8), (0, 1), (0, 2)):
        batch.extend(decide(evaluator, partition, offset, f"o{partition}-{offset}"))
    later = decide(evaluator, 1, 9, "later")
    rows = [row for row, _ in batch.orders]
    for _ in evaluator.decide_again([batch, later], {(0, 1)}):
        pass

    again = [row for row, _ in batch.orders]
    assert [new is old for new, old in zip(again, rows, strict=True)] == [True, True, False, False]
    counts = [orjson.loads(row.features)["orders"] for row in [*again, later.orders[0][0]]]
    assert counts == [0, 1, 2, 2, 3]
    assert history.next_offsets == {0: 3, 1: 10}
    assert batch.uncounted == {(0, 1)}
    assert batch.redecided is None


def test_what_was_read_by_following_stays_read_when_a_batch_is_taken_back() -> None:
    history = StreamFeatures(HISTORY_FEATURES)
    evaluator = OrderEvaluator(EventDecoder(), load_ruleset(), history)
    history.advance(0, 8)
    batches = [decide(evaluator, 0, 5, "o1"), decide(evaluator, 0, 8, "o2")]
    evaluator.take_back(batches)
    assert history.next_offsets == {0: 8}


def test_an_order_with_the_id_of_one_that_was_not_stored_counts() -> None:
    evaluator = OrderEvaluator(EventDecoder(), load_ruleset(), StreamFeatures(HISTORY_FEATURES))
    batch = decide(evaluator, 0, 1, "o1")
    row, message = batch.orders[0]
    evaluator.were_not_stored([RejectedMessage(message, ErrorType.RETIRED_DATE, "retired", None, row.order_id)])
    assert not decide(evaluator, 0, 2, "o1").uncounted
    assert decide(evaluator, 0, 3, "o1").uncounted


def test_what_is_taken_back_while_it_is_decided_again_is_taken_back_once() -> None:
    history = StreamFeatures(HISTORY_FEATURES)
    evaluator = OrderEvaluator(EventDecoder(), load_ruleset(), history)
    stored = decide(evaluator, 0, 0, "stored")
    batch, later = decide(evaluator, 0, 1, "o1"), decide(evaluator, 0, 500, "later")
    for offset in range(2, 400):
        batch.extend(decide(evaluator, 0, offset, f"o{offset}"))
    again = evaluator.decide_again([batch, later], {(0, 7)})
    for _ in range(3):
        next(again)
    assert len(batch.decided()) == 300
    assert not later.decided()
    evaluator.take_back([batch, later])
    event = stored.orders[0][0].event()
    assert history.features(event)["orders"] == 1
    assert history.next_offsets == {0: 1}
