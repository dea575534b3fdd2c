"""Fraud patterns do what they claim: which of the seed's rules see them, and what else gives them away."""

from datetime import datetime, timedelta

import pytest

from marketplace_simulator import World
from marketplace_simulator.fraud_patterns import (
    PATTERNS,
    AccountTakeover,
    BulkReseller,
    ForeignCard,
    FraudRuns,
    NightBurst,
    Pattern,
    VoucherAbuse,
    WalletCashOut,
)
from marketplace_simulator.legitimate_orders import ABROAD, LegitimateOrders
from marketplace_simulator.market import VOUCHERS, WELCOME_VOUCHER, Market
from marketplace_simulator.orders import OrderIds, SimulatedOrder
from marketplace_simulator.seeded_random import SeededRandom
from order_contract.business_time import BUSINESS_ZONE

WORLD = World(0)
NOON = datetime(2026, 11, 22, 12, tzinfo=BUSINESS_ZONE)
NIGHT = datetime(2026, 11, 22, 2, tzinfo=BUSINESS_ZONE)
WALLETS = {"DANA", "OVO", "GoPay", "PayLater"}


def market(seed: int = 0) -> Market:
    return Market(WORLD, SeededRandom("test", seed), OrderIds(SeededRandom("ids", seed)))


def rules(order: SimulatedOrder) -> set[str]:
    """Which of the seed's rules see an order."""
    seen = {
        "A": order.created_date.hour <= 4 and (order.amount >= 100_000_000 or order.quantity > 100),
        "B": order.country != "ID",
        "C": order.amount >= 300_000_000 or order.quantity > 300,
        "D": order.payment_method in WALLETS and order.amount > 50_000_000,
    }
    return {rule for rule, sees in seen.items() if sees}


def runs(kind: type[Pattern], start: datetime, count: int = 40) -> list[list[SimulatedOrder]]:
    """Some runs of a pattern, an order a minute."""
    found = []
    for seed in range(count):
        place = market(seed)
        run = kind(place, start)
        length = place.random.pick(kind.lengths)
        found.append([run.order(start + timedelta(minutes=minute)) for minute in range(length)])
    return found


@pytest.mark.parametrize(
    ("kind", "rule"), [(NightBurst, "A"), (ForeignCard, "B"), (BulkReseller, "C"), (WalletCashOut, "D")]
)
def test_one_of_the_seeds_rules_sees_each_order_of_a_loud_pattern(kind: type[Pattern], rule: str) -> None:
    for run in runs(kind, NIGHT if kind is NightBurst else NOON):
        assert all(rule in rules(order) for order in run)


@pytest.mark.parametrize("start", [NOON, NIGHT])
@pytest.mark.parametrize("kind", [AccountTakeover, VoucherAbuse])
def test_none_of_the_seeds_rules_sees_a_quiet_pattern(kind: type[Pattern], start: datetime) -> None:
    for run in runs(kind, start):
        assert [order for order in run if rules(order)] == []


@pytest.mark.parametrize("kind", PATTERNS)
def test_a_run_has_one_device_and_one_address(kind: type[Pattern]) -> None:
    for run in runs(kind, NOON):
        assert len({order.device_id for order in run}) == 1
        assert len({order.ip_address for order in run}) == 1


@pytest.mark.parametrize("kind", [NightBurst, ForeignCard, BulkReseller, WalletCashOut])
def test_a_run_on_one_account(kind: type[Pattern]) -> None:
    for run in runs(kind, NOON):
        assert len({order.user_id for order in run}) == 1


def test_a_takeover_goes_through_many_accounts_from_a_device_that_is_none_of_theirs() -> None:
    for run in runs(AccountTakeover, NOON):
        assert len(run) >= 5
        assert len({order.user_id for order in run}) > len(run) / 2


def test_a_foreign_card_is_a_card_and_foreign() -> None:
    for run in runs(ForeignCard, NOON):
        assert {(order.payment_method, order.country == order.shipping_country != "ID") for order in run} == {
            ("Credit Card", True)
        }


def test_vouchers_are_abused_by_accounts_opened_just_now_for_small_amounts() -> None:
    for run in runs(VoucherAbuse, NOON):
        assert len({order.user_id for order in run}) > 1
        for order in run:
            assert order.voucher_code == WELCOME_VOUCHER
            assert 0 < order.amount < 5_000_000
            assert order.created_date - order.account_created_date < timedelta(days=2, minutes=30)


def test_amounts_are_within_what_the_seed_has() -> None:
    for kind in PATTERNS:
        assert all(order.amount <= 500_000_000 for run in runs(kind, NIGHT, 100) for order in run)


@pytest.mark.parametrize("start", [NOON, NIGHT])
def test_no_rule_sees_legitimate_orders_but_those_from_abroad(start: datetime) -> None:
    shopping = LegitimateOrders(market())
    orders = [shopping.order(start + timedelta(milliseconds=number)) for number in range(5_000)]

    assert {frozenset(rules(order)) for order in orders} == {frozenset(), frozenset("B")}
    abroad = [order for order in orders if order.country != "ID"]
    assert 5 < len(abroad) < 50
    assert {order.country for order in abroad} <= set(ABROAD)


def test_legitimate_customers_return_to_their_devices() -> None:
    shopping = LegitimateOrders(market())
    devices: dict[str, set[str]] = {}
    for number in range(5_000):
        order = shopping.order(NOON + timedelta(milliseconds=number))
        devices.setdefault(order.user_id, set()).add(order.device_id)

    assert len(devices) < 4_500
    assert all(len(own) <= 2 for own in devices.values())


def test_an_amount_is_price_times_quantity_less_the_voucher() -> None:
    shopping = LegitimateOrders(market())
    vouchers = set()
    for number in range(2_000):
        order = shopping.order(NOON + timedelta(milliseconds=number))
        product = WORLD.product(int(order.product_id[1:]) - 1, order.created_date)
        full = product.price * order.quantity
        if order.voucher_code is None:
            assert order.amount == full
        else:
            vouchers.add(order.voucher_code)
            assert full / 2 <= order.amount < full
    assert vouchers >= VOUCHERS.keys() - {WELCOME_VOUCHER}


# Runs among legitimate orders


@pytest.mark.parametrize("share", [0.0, 0.01, 0.05, 0.3, 0.8, 1.0])
def test_the_share_of_fraud_is_the_given_one(share: float) -> None:
    fraud = FraudRuns(market(), share)
    count = 4_000

    found = sum(fraud.next(NOON + timedelta(seconds=number)) is not None for number in range(count))

    assert abs(found - share * count) <= max(kind.lengths.stop for kind in PATTERNS)


def test_a_pattern_keeps_to_its_hours() -> None:
    fraud = FraudRuns(market(), 0.5)
    start = datetime(2026, 11, 22, tzinfo=BUSINESS_ZONE)
    for minute in range(24 * 60):
        moment = start + timedelta(minutes=minute)
        run = fraud.next(moment)
        assert run is None or moment.hour in run.hours


def test_orders_of_a_run_stay_together() -> None:
    fraud = FraudRuns(market(), 0.05)
    order_of: dict[Pattern, list[int]] = {}
    for number in range(5_000):
        run = fraud.next(NOON + timedelta(seconds=number))
        if run is not None:
            order_of.setdefault(run, []).append(number)

    assert len(order_of) > 20
    assert all(numbers[-1] - numbers[0] < 60 for numbers in order_of.values())
    assert {run.name for run in order_of} == {kind.name for kind in PATTERNS} - {NightBurst.name}
