"""The world: one seed says who is registered and what is on sale, at any moment and everywhere the same."""

import json
import re
from collections import Counter
from datetime import datetime, timedelta
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace_simulator import EPOCH, Category, EmailStyle, Product, SimulatedUser, World
from marketplace_simulator.build_names import build_names
from marketplace_simulator.products import PRICES, PriceHistory
from marketplace_simulator.seeded_random import SeededRandom, WeightedChoice
from marketplace_simulator.world import ArrivalSchedule
from order_contract.business_time import BUSINESS_ZONE
from order_contract.reference_data import PAYMENT_METHODS

HOUR = timedelta(hours=1)
INSTANT = timedelta(milliseconds=1)
WORLD = World(0)

moments = st.integers(0, 3 * 365 * 24 * 3_600_000).map(lambda elapsed: EPOCH + elapsed * INSTANT)
user_numbers = st.integers(0, 200_000)


# The same for all


def test_one_seed_is_one_world() -> None:
    later = EPOCH + timedelta(days=500)
    for index in (0, 999, 1_000, 123_456):
        assert World(7).user(index) == World(7).user(index)
    for index in (0, 199, 200, 20_000):
        assert World(7).product(index, later) == World(7).product(index, later)
    assert World(7).user(5) != World(8).user(5)
    assert World(7).product(5, later) != World(8).product(5, later)


def test_answers_do_not_depend_on_what_was_asked_before() -> None:
    asked, fresh = World(3), World(3)
    for days in range(0, 400, 7):
        asked.users(EPOCH + timedelta(days=days))
        asked.product(days % 200, EPOCH + timedelta(days=days))

    assert asked.user(5_000) == fresh.user(5_000)
    assert asked.product(17, EPOCH + timedelta(days=33)) == fresh.product(17, EPOCH + timedelta(days=33))


def test_the_world_of_a_seed_stays_the_same() -> None:
    # What has been published and loaded names these: with another world it would lose its partners.
    assert WORLD.user(123_456) == SimulatedUser(
        "U123457",
        "Kenzie",
        "Adriansyah",
        "adriansyah_k@yahoo.com",
        "Cash on Delivery",
        "Payakumbuh",
        datetime(2026, 5, 26, 5, 41, 41, 106_000, BUSINESS_ZONE),
    )
    assert WORLD.product(0, EPOCH + timedelta(days=500)) == Product(
        "P00001",
        "Pilot Profesional Spidol",
        Category.OFFICE_TOOLS,
        89_800,
        22,
        datetime(2024, 1, 1, 14, 22, 4, 517_000, BUSINESS_ZONE),
        datetime(2026, 4, 4, 8, 42, 19, 442_000, BUSINESS_ZONE),
        datetime(2026, 11, 15, 0, 16, 21, 461_000, BUSINESS_ZONE),
    )


# Users


@given(moments)
def test_those_are_registered_whose_account_was_opened(moment: datetime) -> None:
    count = WORLD.users(moment)

    assert WORLD.user(count - 1).created_date <= moment < WORLD.user(count).created_date


@given(user_numbers)
def test_users_are_numbered_by_the_time_they_came(index: int) -> None:
    assert WORLD.user(index).created_date < WORLD.user(index + 1).created_date
    assert WORLD.users(WORLD.user(index).created_date) == index + 1
    assert WORLD.users(WORLD.user(index).created_date - INSTANT) == index


def test_the_marketplace_opens_with_a_thousand_users() -> None:
    assert WORLD.users(EPOCH - INSTANT) == 1_000
    assert WORLD.users(EPOCH - timedelta(days=10_000)) == 0


@given(moments)
def test_ten_users_come_each_hour(moment: datetime) -> None:
    hour = EPOCH + (moment - EPOCH) // HOUR * HOUR

    users = list(WORLD.users_between(hour, hour + HOUR))

    assert len(users) == 10
    assert all(hour <= user.created_date < hour + HOUR for user in users)
    assert {style_of(user) for user in users} <= {WORLD.email_style(hour), None}


def test_users_come_without_gap_or_repeat() -> None:
    start, middle, end = EPOCH - timedelta(days=3), EPOCH + 1.37 * HOUR, EPOCH + timedelta(days=2)

    whole = list(WORLD.users_between(start, end))

    assert whole == [*WORLD.users_between(start, middle), *WORLD.users_between(middle, end)]
    assert len({user.user_id for user in whole}) == len(whole)


@given(user_numbers)
def test_users_are_like_the_catalogs(index: int) -> None:
    user = WORLD.user(index)

    assert re.fullmatch(r"U\d{6}", user.user_id)
    assert re.fullmatch(r"[a-z]+[._][a-z1-9]+@(gmail|yahoo|outlook)\.com", user.email)
    assert user.default_payment in PAYMENT_METHODS
    assert user.created_date.utcoffset() == timedelta(hours=7)


def test_all_three_email_styles_are_in_use() -> None:
    styles = Counter(WORLD.email_style(EPOCH + hour * HOUR) for hour in range(300))

    assert styles.keys() == set(EmailStyle)
    assert min(styles.values()) > 50
    assert {style_of(WORLD.user(index)) for index in range(50)} >= set(EmailStyle)


def style_of(user: SimulatedUser) -> EmailStyle | None:
    """The style of an address by its looks."""
    first, last = user.first_name.lower(), user.last_name.lower()
    mailbox = user.email.partition("@")[0]
    if mailbox == f"{first}.{last}":
        return EmailStyle.FIRST_LAST
    if re.fullmatch(rf"{first}\.[1-9]", mailbox):
        return EmailStyle.FIRST_NUMBER
    return EmailStyle.LAST_INITIAL if mailbox == f"{last}_{first[0]}" else None


# Products


@given(moments)
def test_those_are_on_sale_that_were_introduced(moment: datetime) -> None:
    count = WORLD.products(moment)

    assert WORLD.product(count - 1, moment).created_date <= moment
    with pytest.raises(ValueError, match="comes on sale at"):
        WORLD.product(count, moment)


@given(moments, st.floats(0, 1, exclude_max=True))
def test_a_product_stands_until_its_price_changes(moment: datetime, which: float) -> None:
    index = int(which * WORLD.products(moment))

    product = WORLD.product(index, moment)
    changed = WORLD.product(index, product.valid_until)

    assert product.created_date <= product.updated_at <= moment < product.valid_until
    assert WORLD.product(index, product.updated_at) == product
    assert WORLD.product(index, product.valid_until - INSTANT) == product
    assert (changed.version, changed.updated_at) == (product.version + 1, product.valid_until)
    assert changed.price != product.price
    assert changed.product_name == product.product_name


@given(moments, st.floats(0, 1, exclude_max=True))
def test_products_are_like_the_catalogs(moment: datetime, which: float) -> None:
    index = int(which * WORLD.products(moment))
    product = WORLD.product(index, moment)
    prices = PRICES[product.category]

    assert re.fullmatch(r"P\d{5}", product.product_id)
    assert prices.low <= product.price <= prices.high
    assert product.price % prices.step == 0
    assert (" by " in product.product_name) == (product.category is Category.BOOKS)
    assert WORLD.category(index) is product.category


def test_the_marketplace_opens_with_200_products_of_all_categories() -> None:
    assert WORLD.products(EPOCH - INSTANT) == 200
    categories = Counter(WORLD.category(index) for index in range(200))
    assert categories.keys() == set(Category)
    assert min(categories.values()) > 30


@given(moments)
def test_ten_products_are_new_or_changed_each_hour(moment: datetime) -> None:
    hour = EPOCH + (moment - EPOCH) // HOUR * HOUR

    versions = list(WORLD.products_between(hour, hour + HOUR))

    assert Counter(version.version == 0 for version in versions) == {True: 2, False: 8}
    assert all(hour <= version.updated_at < hour + HOUR for version in versions)


def test_versions_lead_to_the_catalog_as_it_stands() -> None:
    end = EPOCH + timedelta(days=20)
    catalog: dict[str, Product] = {}
    for version in WORLD.products_between(EPOCH - timedelta(days=400), end):
        before = catalog.get(version.product_id)
        if before is None:
            assert version.version == 0
        else:
            assert (version.version, version.updated_at) == (before.version + 1, before.valid_until)
        catalog[version.product_id] = version

    standing = [WORLD.product(index, end - INSTANT) for index in range(WORLD.products(end - INSTANT))]
    assert catalog == {product.product_id: product for product in standing}


# What it is made of


@given(st.integers(2, 300), st.integers(1, 8), st.integers(0, 3_000))
def test_each_round_of_changes_meets_each_product_once(initial: int, per_new: int, change: int) -> None:
    repricing = PriceHistory(5, initial=initial, changes_per_new_product=per_new)

    assert sorted(map(repricing.product, range(initial))) == list(range(initial))
    product = repricing.product(change)
    assert repricing.of_product(product, change).next == change
    assert repricing.of_product(product, change + 1).last == change


@given(st.integers(0, 10**6), st.integers(0, 10**9))
def test_arrivals_count_what_has_come(index: int, elapsed: int) -> None:
    arrivals = ArrivalSchedule(EPOCH, timedelta(minutes=6), "test")

    assert arrivals.moment(index) < arrivals.moment(index + 1)
    assert arrivals.count(arrivals.moment(index)) == index + 1
    count = arrivals.count(EPOCH + elapsed * INSTANT)
    assert count == 0 or arrivals.moment(count - 1) <= EPOCH + elapsed * INSTANT
    assert arrivals.moment(count) > EPOCH + elapsed * INSTANT


def test_arrivals_can_be_limited() -> None:
    arrivals = ArrivalSchedule(EPOCH, HOUR, "test", limit=3)

    assert arrivals.count(EPOCH + 100 * HOUR) == 3


def test_draws_are_the_same_everywhere() -> None:
    random = SeededRandom(0, "golden")

    assert [random.below(1_000) for _ in range(10)] == [355, 463, 253, 524, 186, 611, 914, 946, 444, 512]


def test_draws_are_uniform() -> None:
    random = SeededRandom("even")
    counts = Counter(random.between(1, 6) for _ in range(6_000))

    assert counts.keys() == set(range(1, 7))
    assert all(850 < count < 1_150 for count in counts.values())
    assert 800 < sum(random.chance(0.1) for _ in range(10_000)) < 1_200


def test_a_mix_is_drawn_by_weight() -> None:
    random, mix = SeededRandom("mix"), WeightedChoice({"often": 9, "seldom": 1, "never": 0})
    counts = Counter(mix.draw(random) for _ in range(10_000))

    assert counts.keys() == {"often", "seldom"}
    assert 800 < counts["seldom"] < 1_200


def test_names_are_as_faker_has_them() -> None:
    pytest.importorskip("faker")
    names = json.loads(resources.files("marketplace_simulator").joinpath("names.json").read_bytes())

    built = build_names()

    assert built.keys() == names.keys()
    # Another version of Faker may know more or fewer; the file is the world's.
    assert all(set(names[kind]) & set(built[kind]) for kind in names)
