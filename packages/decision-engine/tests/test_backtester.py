"""Backtests: counts equal a plain computation, intervals are Wilson's, features are computed again in their time."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from decision_engine.backtest.backtester import Backtester, PastOrder
from decision_engine.backtest.tally import MOST_EXAMPLES, Bucket, Tally
from decision_engine.lists import EntryChange
from decision_engine.proportion import Interval, Proportion
from decision_engine.ruleset import parse_ruleset
from order_contract.business_time import business_date
from order_contract.decision import Outcome
from order_contract.event import OrderEvent
from order_contract.label import Label

NOON = datetime(2026, 11, 22, 5, tzinfo=UTC)
RULESET = parse_ruleset(
    """
review_at: 50
decline_at: 90
attributes: {channel: text}
lists: {blocked_devices: {kind: block, field: device_id}}
features:
  orders_of_device_1h: {aggregate: count, key: device_id, window: 1h}
  frauds_of_device_1d: {aggregate: label_count, label: fraud, key: device_id, window: 1d}
  orders_of_voucher_1h: {aggregate: count, key: voucher_code, window: 1h}
rules:
  - {id: large, description: Large., when: amount > 700, severity: low, score: 50}
  - {id: busy, description: Busy., when: orders_of_device_1h >= 2, severity: low, score: 40, mode: shadow}
  - {id: known, description: Known., when: frauds_of_device_1d > 0, severity: low, score: 60}
  - {id: blocked, description: Blocked., when: device_id in blocked_devices, severity: high, outcome: decline}
  - {id: voucher, description: Voucher., when: orders_of_voucher_1h > 5, severity: low, score: 10}
  - {id: web, description: Web., when: attributes.channel == 'web', severity: low, score: 10}
  - {id: gone, description: Gone., when: amount > 0, severity: low, score: 10, mode: off}
""",
    "rules.yaml",
)
OUTCOMES = [Outcome.APPROVE, Outcome.APPROVE, Outcome.REVIEW, Outcome.DECLINE]
LABELS = [None, None, Label.FRAUD, Label.CHARGEBACK, Label.LEGITIMATE]


def order(number: int, **changes: Any) -> OrderEvent:
    event = OrderEvent(
        f"o{number}", "u", "p", 1, 100, "IDR", "GoPay", "ID", NOON + timedelta(minutes=number), "d",
        None, None, None, None, None, None,
    )  # fmt: skip
    return event._replace(**changes)


def random_orders(seed: int, count: int = 400) -> list[PastOrder]:
    chance = random.Random(seed)
    return [
        PastOrder(
            order(
                number,
                amount=chance.randint(1, 1_000),
                device_id=chance.choice(["a", "b", "c", None]),
                currency=chance.choice(["IDR", "IDR", "SGD"]),
                created_date=NOON + timedelta(minutes=10 * number),
            ),
            chance.choice(OUTCOMES),
            chance.choice(LABELS),
        )
        for number in range(count)
    ]


def backtest(orders: list[PastOrder]) -> Tally:
    """As it is run: labels a quarter of an hour after their orders."""
    tested = Backtester(RULESET, labelled=[each.event.order_id for each in orders if each.label])
    waiting = [each for each in orders if each.label is not None]
    for each in orders:
        while waiting and waiting[0].event.created_date + timedelta(minutes=15) <= each.event.created_date:
            found = waiting.pop(0)
            assert found.label is not None
            tested.apply_label(found.event.order_id, found.label)
        tested.decide(each)
    return tested.tally


def expected_hits(orders: list[PastOrder], index: int) -> list[str]:
    """The rules that fire on an order, from the orders before it."""
    event = orders[index].event
    earlier = [
        each for each in orders[:index]
        if event.device_id is not None and each.event.device_id == event.device_id
    ]  # fmt: skip
    in_hour = [each for each in earlier if each.event.created_date > event.created_date - timedelta(hours=1)]
    known = [
        each for each in earlier
        if each.label in {Label.FRAUD, Label.CHARGEBACK}
        and each.event.created_date > event.created_date - timedelta(days=1)
        and each.event.created_date + timedelta(minutes=15) <= event.created_date
    ]  # fmt: skip
    fires = {"large": event.amount > 700, "busy": len(in_hour) >= 2, "known": bool(known)}
    return [name for name, fired in fires.items() if fired]


def expected_outcome(hits: list[str]) -> Outcome:
    score = 50 * ("large" in hits) + 60 * ("known" in hits)
    return Outcome.DECLINE if score >= 90 else Outcome.REVIEW if score >= 50 else Outcome.APPROVE


@pytest.mark.parametrize("seed", range(3))
def test_counts_are_those_of_a_plain_computation(seed: int) -> None:
    orders = random_orders(seed)
    tally = backtest(orders)
    hits = [expected_hits(orders, index) for index in range(len(orders))]
    after = [expected_outcome(each) for each in hits]
    assert tally.orders == len(orders)
    assert {name: counts.hits.orders for name, counts in tally.rules.items()} == {
        name: sum(name in each for each in hits)
        for name in ("large", "busy", "known", "blocked", "voucher", "web")
    }  # fmt: skip
    assert tally.rules["large"].alone == sum(each == ["large"] for each in hits)
    assert tally.overlaps == Counter((a, b) for each in hits for a in each for b in each[each.index(a) + 1 :])
    assert {change: amount.orders for change, amount in tally.changes.items()} == Counter(
        (each.outcome, outcome) for each, outcome in zip(orders, after, strict=True) if each.outcome is not outcome
    )
    days = {business_date(each.event.created_date) for each in orders}
    for day in days:
        on_day = [i for i, each in enumerate(orders) if business_date(each.event.created_date) == day]
        assert tally.days[day].after == Counter(after[i] for i in on_day)
        assert tally.days[day].before == Counter(orders[i].outcome for i in on_day)
    fraud = [each.label in {Label.FRAUD, Label.CHARGEBACK} for each in orders]
    caught = [i for i, outcome in enumerate(after) if fraud[i] and outcome is not Outcome.APPROVE]
    stopped = [
        i for i, outcome in enumerate(after) if orders[i].label is Label.LEGITIMATE and outcome is not Outcome.APPROVE
    ]
    freed = [
        i for i, outcome in enumerate(after)
        if orders[i].label is Label.LEGITIMATE and outcome is Outcome.APPROVE is not orders[i].outcome
    ]  # fmt: skip
    assert tally.buckets[Bucket.CAUGHT_FRAUD].orders == len(caught)
    assert tally.buckets[Bucket.CAUGHT_FRAUD].money["IDR"] == sum(
        orders[i].event.amount for i in caught if orders[i].event.currency == "IDR"
    )
    assert tally.buckets[Bucket.FREED_CUSTOMER].orders == len(freed)
    assert tally.precision == (len(caught), len(caught) + len(stopped))
    assert tally.recall == (len(caught), sum(fraud))
    known = [i for i, each in enumerate(hits) if "known" in each]
    assert tally.recall_of("known") == (sum(fraud[i] for i in known), sum(fraud))
    assert tally.rules["known"].precision == (
        sum(fraud[i] for i in known), sum(orders[i].label is not None for i in known)
    )  # fmt: skip
    assert tally.silent_rules == ["blocked", "voucher", "web"]
    assert set(tally.noisy_rules) == {"large", "busy", "known"}
    assert tally.uncarried == {"voucher_code", "attributes.channel"}
    assert len(tally.examples) == MOST_EXAMPLES


def test_a_tally_of_parts_is_that_of_all() -> None:
    orders = random_orders(7)
    whole, parts = backtest(orders), Tally(RULESET)
    first = Backtester(RULESET)
    for each in orders[:150]:
        first.decide(each)
    second = Backtester(RULESET)
    for each in orders[:150]:
        second.warm_up(each.event)
    for each in orders[150:]:
        second.decide(each)
    parts.merge(first.tally)
    parts.merge(second.tally)
    without_labels = Backtester(RULESET)
    for each in orders:
        without_labels.decide(each)
    for name in ("orders", "labels", "days", "changes", "flagged", "buckets", "rules", "overlaps", "examples"):
        assert getattr(parts, name) == getattr(without_labels.tally, name), name
    assert whole.orders == parts.orders


def test_against_another_ruleset_it_compares_with_that_one() -> None:
    other = parse_ruleset(RULESET.content.replace("amount > 700", "amount > 900"), "other.yaml")
    tested = Backtester(RULESET, other)
    for number, amount in enumerate((800, 950, 100)):
        tested.decide(PastOrder(order(number, amount=amount, device_id=None), Outcome.DECLINE, None))
    assert {change: amount.orders for change, amount in tested.tally.changes.items()} == {
        (Outcome.APPROVE, Outcome.REVIEW): 1
    }


def test_lists_are_those_of_the_time() -> None:
    tested = Backtester(RULESET)
    tested.decide(PastOrder(order(1), Outcome.APPROVE, None))
    tested.change_lists(1, [EntryChange("blocked_devices", "device_id", "d", None, True)])
    tested.decide(PastOrder(order(2), Outcome.APPROVE, None))
    tested.change_lists(2, [EntryChange("blocked_devices", "device_id", "d", None, False)])
    tested.decide(PastOrder(order(3), Outcome.APPROVE, None))
    assert tested.tally.rules["blocked"].hits.orders == 1
    assert tested.tally.examples[0].order_id == "o2"


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    # Known values, such as those of R's prop.test without the continuity correction.
    [(0, 10, 0.0, 0.2775328), (10, 10, 0.7224672, 1.0), (5, 10, 0.2365931, 0.7634069), (1, 1, 0.2065493, 1.0)],
)
def test_intervals_are_wilson_s(part: int, whole: int, low: float, high: float) -> None:
    found = Proportion(part, whole).interval
    assert found is not None
    assert found == pytest.approx(Interval(low, high), abs=1e-6)
    assert Proportion(0, 0).interval is None


@given(st.integers(0, 10**6), st.integers(1, 10**6))
@example(0, 69)
def test_an_interval_holds_its_value(part: int, rest: int) -> None:
    found = Proportion(part, part + rest)
    assert found.interval is not None
    assert found.value is not None
    assert 0 <= found.interval.low <= found.value <= found.interval.high <= 1


def test_what_no_feature_can_reach_is_forgotten_without_looking_through_all_of_it_each_time() -> None:
    tested = Backtester(RULESET)
    most = 0
    for number in range(300):
        created = NOON + timedelta(days=number)
        tested.decide(PastOrder(order(number, device_id=f"d{number}", created_date=created), Outcome.APPROVE, None))
        tested.forget()
        most = max(most, tested._histories[0].histories)
    # A device is in reach for a day, and a late order may be of the week before.
    assert 8 <= most <= 2 * 9
