"""Histories that others take over and complete give the same values as histories of the other features alone."""

import io
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from decision_engine.history.declaration import OVER_LABELS, OVER_NUMBERS, OVER_TEXTS, SECOND, Aggregate, HistoryFeature
from decision_engine.history.labelled_orders import LabelRank
from decision_engine.history.stream_features import StreamFeatures
from decision_engine.ruleset import parse_ruleset
from order_contract.event import OrderEvent
from order_contract.label import Label

HOUR = 3_600 * SECOND
START = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = (("user_id",), ("device_id",), ("user_id", "country"))


def feature(aggregate: Aggregate, key: tuple[str, ...], hours: int, where: bool = False) -> HistoryFeature:
    field = "amount" if aggregate in OVER_NUMBERS else "product_id" if aggregate in OVER_TEXTS else None
    label = "fraud" if aggregate in OVER_LABELS else None
    name = f"{aggregate}_{'_'.join(key)}_{hours}_{where}"
    condition = (lambda event: event.quantity > 1) if where else None
    text = "quantity > 1" if where else None
    return HistoryFeature(name, aggregate, key, hours * HOUR, field, text, label, condition)


LABELS = [feature(aggregate, ("user_id",), 24) for aggregate in sorted(OVER_LABELS)]


def random_features(chance: random.Random) -> list[HistoryFeature]:
    return [
        feature(aggregate, key, hours, where)
        for aggregate in Aggregate
        if aggregate not in OVER_LABELS
        for key in KEYS
        for hours in (1, 24)
        for where in (False, True)
        if chance.random() < 0.2
    ]


def random_order(chance: random.Random, number: int) -> OrderEvent:
    late = chance.choice((0, 0, 0, 3, 60, 24 * 60, 12 * 24 * 60))
    return OrderEvent(
        order_id=f"o{number}", user_id=f"u{chance.randrange(4)}", product_id=f"p{chance.randrange(3)}",
        quantity=chance.randrange(1, 4), amount=chance.choice((1, 999, 10**15)),
        currency=chance.choice(("IDR", "IDR", "IDR", "USD")), payment_method="OVO", country="ID",
        created_date=START + timedelta(minutes=10 * number - late),
        device_id=chance.choice((None, "d1", "d2")), ip_address=None, voucher_code=None, email=None,
        shipping_country=None, account_created_date=None, attributes=None,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_values_after_a_switch_are_those_of_histories_that_saw_everything(seed: int) -> None:
    """With late orders, some that are taken back, labels, and orders that are forgotten in the meantime."""
    chance = random.Random(seed)
    labels = LABELS if chance.random() < 0.5 else []
    first, second = random_features(chance) + labels, random_features(chance) + labels
    switched, alone = StreamFeatures(first), StreamFeatures(second)
    orders = [random_order(chance, number) for number in range(160)]
    stored: list[OrderEvent] = []

    def read(offset: int) -> None:
        order = orders[offset]
        if offset % 2:
            switched.add(order, 0, offset)
        else:
            switched.count(order, 0, offset)
        alone.add(order, 0, offset)
        if offset % 10 == 9:  # the last three were not stored after all
            for each in (switched, alone):
                for taken in range(offset, offset - 3, -1):
                    each.remove(orders[taken], 0, taken)
            for taken in range(offset - 2, offset + 1):
                switched.count(orders[taken], 0, taken)
                alone.count(orders[taken], 0, taken)
        if chance.random() < 0.3:
            for each in (switched, alone):
                each.await_orders([order.order_id])
                each.find_labelled(order, 0, offset)
                each.apply_label(order.order_id, Label.FRAUD, LabelRank(1, offset, 0))
        stored.append(order)

    for offset in range(80):
        read(offset)
    following = switched.prepare(second)
    assert following is not None
    before = stored.copy()
    chance.shuffle(before)
    for offset in range(80, 120):
        read(offset)
        for _ in range(2):
            following.load([before.pop()])
        if offset == 100:
            for each in (switched, alone):
                list(each.forget())
    switched.switch(following)
    for offset in range(120, 160):
        assert switched.features(orders[offset]) == alone.features(orders[offset])
        assert switched.seen(1) == alone.seen(1)
        read(offset)
    with io.BytesIO() as file:
        switched.write(file)
        file.seek(0)
        again = StreamFeatures(second)
        again.read(file)
    for order in orders[100:]:
        assert again.features(order) == alone.features(order)
    for _ in switched.discard_kept():
        pass
    assert again.kept_since == switched.kept_since == alone.kept_since
    assert switched.histories == alone.histories


@pytest.mark.parametrize("seed", range(8))
def test_values_are_exact_through_many_switches_with_histories_that_are_kept(seed: int) -> None:
    """Back and forth among rulesets, one without features, while orders are taken back, forgotten, kept no longer."""
    chance = random.Random(seed)
    labels = LABELS if chance.random() < 0.3 else []
    first, other = random_features(chance), random_features(chance)
    shorter = [replace(each, window=HOUR) for each in first]
    rulesets = [each + labels for each in (first, shorter, other, [])]
    lateness = timedelta(hours=3)  # so that orders are forgotten
    all_alone = [StreamFeatures(each, lateness=lateness) for each in rulesets]
    switched = StreamFeatures(rulesets[0], lateness=lateness)
    orders = [random_order(chance, number) for number in range(400)]
    current, before, may_switch_back = 0, 0, False
    offset = stored = 0  # the next order, and the first that may be taken back

    def read() -> None:
        nonlocal offset
        order = orders[offset]
        values = all_alone[current].features(order)
        if rulesets[current]:
            assert switched.features(order) == values
            assert switched.count(order, 0, offset) == values
        else:
            assert switched.count(order, 0, offset) == {"hour": values["hour"]}
        for alone in all_alone:
            alone.add(order, 0, offset)
        if chance.random() < 0.1:
            first = max(stored, offset - 3)
            for each in (switched, *all_alone):
                for taken in range(offset, first - 1, -1):
                    each.remove(orders[taken], 0, taken)
                for taken in range(first, offset + 1):
                    each.add(orders[taken], 0, taken)
        if chance.random() < 0.1:
            for each in (switched, *all_alone):
                each.await_orders([order.order_id])
                each.find_labelled(order, 0, offset)
                each.apply_label(order.order_id, Label.FRAUD, LabelRank(1, offset, 0))
        offset += 1

    def forget() -> None:
        for each in (switched, *all_alone):
            for _ in each.forget():
                pass

    def discard() -> None:
        nonlocal may_switch_back
        may_switch_back = False
        for _ in switched.discard_kept():
            if chance.random() < 0.01:
                break  # the process frees the rest later

    while offset < len(orders) - 30:
        for _ in range(chance.randrange(1, 20)):
            read()
        if chance.random() < 0.3:
            forget()
        if chance.random() < 0.2:
            discard()
        chosen = before if chance.random() < 0.4 else chance.randrange(len(rulesets))
        following = switched.prepare_known(rulesets[chosen])
        assert following is not None or not (may_switch_back and chosen == before), "what was replaced is kept"
        if following is None:
            stored = offset
            following = switched.prepare(rulesets[chosen])
            assert following is not None
            to_load = orders[:offset]
            chance.shuffle(to_load)
            for number, order in enumerate(to_load):
                following.load([order])
                if number % 50 == 0 and offset < len(orders) - 20:
                    read()
        for act in chance.choices((read, read, forget, discard), k=chance.randrange(5)):
            act()
        if chance.random() < 0.1:
            switched.discard_prepared()  # another version became active
            continue
        switched.switch(following)
        current, before, may_switch_back = chosen, current, True
        read()


def test_a_switch_back_lacks_nothing_until_histories_are_kept_no_longer() -> None:
    counts, sums = ([feature(each, ("user_id",), hours)] for each, hours in ((Aggregate.COUNT, 24), (Aggregate.SUM, 1)))
    shorter = [feature(Aggregate.COUNT, ("user_id",), 1)]
    history = StreamFeatures(counts)
    kept_since = history.kept_since
    for features in (shorter, sums, [], counts):
        following = history.prepare_known(features) or history.prepare(features)
        assert following is not None
        assert bool(following.missing) == (features == sums)
        history.switch(following)
        assert history.kept_since == kept_since, "a window of a day is kept, too"
    switch_to(history, shorter)
    assert [*history.discard_kept()] == []
    assert history.prepare_known(counts) is None
    assert history.prepare_known(sums) is None
    assert history.kept_since > kept_since


def test_what_is_kept_counts_within_the_bound_and_goes_before_orders_that_features_reach() -> None:
    devices = [feature(Aggregate.COUNT, ("device_id",), 24)]
    users = [feature(Aggregate.COUNT, ("user_id",), 24)]
    orders = [random_order(random.Random(1), 0)._replace(user_id=f"u{n}", device_id=f"d{n}") for n in range(100)]

    def after_a_switch(most_bytes: int | None) -> StreamFeatures:
        history = StreamFeatures(devices, most_bytes=most_bytes)
        switch_to(history, users)
        for offset, order in enumerate(orders):
            history.add(order, 0, offset)
        for _ in history.forget():
            pass
        return history

    both = after_a_switch(None).size
    assert after_a_switch(both).size == both
    bounded = after_a_switch(both - 1)
    assert bounded.size < both
    assert bounded.horizon is None
    assert bounded.prepare_known(devices) is None


def switch_to(history: StreamFeatures, features: list[HistoryFeature]) -> None:
    following = history.prepare_known(features) or history.prepare(features)
    assert following is not None
    history.switch(following)


def missing(before: str, after: str) -> list[str] | None:
    """The features of a ruleset whose histories lack orders, after another ruleset."""
    one, two = (
        parse_ruleset(
            f"parameters: {{most: {most}}}\nfeatures: {{{text}}}\nreview_at: 50\ndecline_at: 90\nrules: []", "f"
        )
        for most, text in enumerate((before, after))
    )
    following = StreamFeatures(one.features).prepare(two.features)
    return None if following is None else [feature.name for feature in following.missing]


COUNT = "orders: {aggregate: count, key: user_id, window: 2h}"
SUM = "spent: {aggregate: sum, field: amount, key: user_id, window: 2h}"
DEVICES = "devices: {aggregate: distinct, field: device_id, key: user_id, window: 2h}"
ABOVE = "above: {aggregate: count, key: user_id, window: 2h, where: amount > most}"
LARGE = "large: {aggregate: count, key: user_id, window: 2h, where: amount > 5}"
FRAUDS = "frauds: {aggregate: label_count, label: fraud, key: user_id, window: 2h}"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (COUNT, COUNT, []),
        (COUNT, COUNT.replace("orders", "renamed"), []),
        (COUNT, COUNT.replace("2h", "1h"), []),
        (COUNT, COUNT.replace("2h", "3h"), ["orders"]),
        (COUNT, f"{COUNT}, {SUM}", ["orders", "spent"]),  # they share a history, which has a column more
        (f"{COUNT}, {DEVICES}", f"{DEVICES}, {LARGE}", ["large"]),
        (LARGE, LARGE, []),
        (ABOVE, ABOVE, ["above"]),  # the parameter has another value
        (FRAUDS, f"{FRAUDS}, {COUNT}", ["orders"]),
        (COUNT, f"{FRAUDS}, {COUNT}", None),
        (f"{FRAUDS}, {COUNT}", COUNT, None),
        (FRAUDS, FRAUDS.replace("2h", "3h"), None),
    ],
)
def test_only_what_differs_is_missing(before: str, after: str, expected: list[str] | None) -> None:
    assert missing(before, after) == expected


def test_features_that_are_given_up_leave_no_trace() -> None:
    history = StreamFeatures([feature(Aggregate.COUNT, ("user_id",), 1)])
    kept_since = history.kept_since
    following = history.prepare([feature(Aggregate.SUM, ("device_id",), 24)])
    assert following is not None
    history.discard_prepared()
    order = random_order(random.Random(1), 1)._replace(device_id="d1")
    history.add(order, 0, 0)
    assert following.histories.keys == 0
    assert history.histories == 1
    assert history.kept_since - order.created_date == kept_since - datetime(1970, 1, 1, tzinfo=UTC)
