"""Generated orders: the same again for the same config, valid, and about users and products of the world."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice

import orjson
import pytest

from marketplace_simulator import EPOCH, World
from marketplace_simulator.fraud_patterns import PATTERNS
from marketplace_simulator.generator import GeneratorConfig, live_orders, past_orders
from marketplace_simulator.orders import OrderMessage
from order_contract.business_time import BUSINESS_ZONE, business_date
from order_contract.decoding.decoder import EventDecoder

LATER = datetime(2030, 1, 1, tzinfo=UTC)

WORLD = World(0)
CONFIG = GeneratorConfig(WORLD, seed=1)
DAY = date(2026, 11, 1)


def values(config: GeneratorConfig = CONFIG, start: date = DAY, days: int = 1, count: int = 300) -> list[bytes]:
    return [message.value for message in past_orders(config, start, days, count)]


# Reproducible


def test_the_same_config_gives_the_same_orders_to_the_byte() -> None:
    assert values() == values(replace(CONFIG, world=World(0)))
    labels = [[(message.name, message.pattern) for message in past_orders(CONFIG, DAY, 1, 300)] for _ in range(2)]
    assert labels[0] == labels[1]


@pytest.mark.parametrize(
    "other",
    [
        GeneratorConfig(WORLD, seed=2),
        GeneratorConfig(World(1), seed=1),
        GeneratorConfig(WORLD, seed=None),
        GeneratorConfig(WORLD, 1, 0.5),
    ],
)
def test_another_config_gives_other_orders(other: GeneratorConfig) -> None:
    assert not set(values()) & set(values(other)) or other.fraud_share == 0.5
    assert values() != values(other)


def test_a_day_comes_out_the_same_alone() -> None:
    days = [DAY, DAY + timedelta(days=1), DAY + timedelta(days=2)]

    assert values(days=3, count=300) == [value for day in days for value in values(start=day, count=100)]


def test_a_count_is_spread_evenly_over_days() -> None:
    dates = Counter(
        business_date(EventDecoder().decode(value, LATER).created_date) for value in values(days=3, count=301)
    )

    assert dates == {DAY: 101, DAY + timedelta(days=1): 100, DAY + timedelta(days=2): 100}


def test_live_orders_draw_alike_with_a_seed_but_never_make_the_same_id() -> None:
    def live() -> list[OrderMessage]:
        return list(live_orders(CONFIG, lambda: datetime(2026, 11, 22, 12, tzinfo=BUSINESS_ZONE), 50))

    one, other = live(), live()

    assert [message.key for message in one] == [message.key for message in other]
    assert not {message.name for message in one} & {message.name for message in other}


def test_live_orders_are_of_the_moment_they_are_asked_for() -> None:
    moments = [datetime(2026, 11, 22, 12, tzinfo=BUSINESS_ZONE) + timedelta(seconds=second) for second in range(5)]
    clock = iter(moments)

    orders = live_orders(CONFIG, lambda: next(clock), None)

    created = [EventDecoder().decode(message.value, LATER).created_date for message in islice(orders, 5)]
    assert created == moments


# Valid


@pytest.mark.parametrize("amounts_as_text", [False, True])
def test_orders_are_valid_events(*, amounts_as_text: bool) -> None:
    decoder = EventDecoder()
    for message in past_orders(replace(CONFIG, amounts_as_text=amounts_as_text), DAY, 1, 2_000):
        event = decoder.decode(message.value, LATER)
        raw = orjson.loads(message.value)
        assert (message.key, message.name) == (event.user_id.encode(), event.order_id)
        assert event.attributes is None
        # Canonical already: what is on the topic is what is stored.
        assert (event.payment_method, event.country, event.ip_address) == (
            raw["payment_method"], raw["country"], raw["ip_address"],
        )  # fmt: skip
        assert raw["amount"] == (f"Rp.{event.amount:,}" if amounts_as_text else event.amount)


def test_ids_are_unique_and_sort_by_time() -> None:
    names = [message.name for message in past_orders(CONFIG, DAY, 3, 3_000)]

    assert names == sorted(set(names))


# Of one world


@pytest.mark.parametrize("day", [EPOCH.date(), DAY])
def test_orders_name_users_and_products_that_are_there_by_then(day: date) -> None:
    for value in values(start=day, count=1_500):
        event = EventDecoder().decode(value, LATER)
        user = WORLD.user(int(event.user_id[1:]) - 1)
        assert user.user_id == event.user_id
        assert user.created_date <= event.created_date
        assert (user.email, user.created_date.replace(microsecond=0)) == (event.email, event.account_created_date)
        # Raises when it is not on sale yet.
        product = WORLD.product(int(event.product_id[1:]) - 1, event.created_date)
        assert product.product_id == event.product_id
        assert event.amount <= product.price * event.quantity


def test_customers_order_again() -> None:
    orders = Counter(orjson.loads(value)["user_id"] for value in values(count=5_000))

    assert len(orders) < 4_700
    assert 3 < max(orders.values()) < 100


# Labels


def test_labels_are_beside_the_orders_and_never_in_them() -> None:
    messages = list(past_orders(replace(CONFIG, fraud_share=0.3), DAY, 1, 5_000))

    patterns = Counter(message.pattern for message in messages)
    assert patterns.keys() == {None, *(kind.name for kind in PATTERNS)}
    assert 0.25 < 1 - patterns[None] / len(messages) < 0.35
    for message in messages:
        fields = orjson.loads(message.value).keys()
        assert not fields & {"pattern", "fraud", "is_fraud", "status", "identity"}
        assert message.pattern is None or message.pattern.encode() not in message.value


def test_a_fraud_share_of_zero_gives_no_fraud() -> None:
    assert {message.pattern for message in past_orders(replace(CONFIG, fraud_share=0), DAY, 1, 1_000)} == {None}
