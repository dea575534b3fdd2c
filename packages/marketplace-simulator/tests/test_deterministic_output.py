"""The same seed gives the same users, products and orders, byte for byte, in every release."""

from collections.abc import Iterable
from datetime import date, datetime
from hashlib import sha256

from marketplace_simulator import BEGINNING, World
from marketplace_simulator.generator import GeneratorConfig, past_orders
from order_contract.business_time import BUSINESS_ZONE

END = datetime(2025, 3, 1, tzinfo=BUSINESS_ZONE)


def digest(rows: Iterable[object]) -> str:
    """Hash of the rows' representations."""
    hashed = sha256()
    for row in rows:
        hashed.update(repr(row).encode())
    return hashed.hexdigest()[:16]


def test_orders_of_a_seed_never_change() -> None:
    orders = past_orders(GeneratorConfig(World(7), seed=7, fraud_share=0.1), date(2026, 11, 1), days=2, count=10_000)

    assert digest(map(tuple, orders)) == "104897fba4cb9104"


def test_users_and_products_of_a_seed_never_change() -> None:
    users = (tuple(getattr(user, name) for name in user.__slots__) for user in World(7).users_between(BEGINNING, END))
    products = World(7).products_between(BEGINNING, END)

    assert digest(users) == "425cca5a3c81e45e"
    assert (
        digest(tuple(getattr(product, name) for name in product.__slots__) for product in products)
        == "0f2025dca956ca4d"
    )
