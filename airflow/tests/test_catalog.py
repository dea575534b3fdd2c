"""The catalog, hour by hour and all at once, in a real database."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from marketplace_simulator import BEGINNING, EmailStyle, World
from order_batch.app import connect
from order_batch.catalog.backfill import add_products, add_users, backfill
from order_batch.catalog.hourly import HourlyCatalog
from order_batch.settings import BatchSettings
from order_contract.business_time import BUSINESS_ZONE

HOUR = timedelta(hours=1)
# Some months of a young world: filling it up to today takes half a minute.
NOW = datetime(2024, 5, 17, 9, tzinfo=BUSINESS_ZONE)
WORLD = World()


def rows(connection: "psycopg.Connection[Any]", table: str) -> list[tuple[Any, ...]]:
    """All of a table, but when it was recorded."""
    found = connection.execute(f"select * from {table} order by 1, 2").fetchall()
    return [row[:-1] for row in found]


def test_a_new_catalog_gets_everything_since_the_world_began(connection: "psycopg.Connection[Any]") -> None:
    users, products = backfill(connection, WORLD, NOW)
    assert (users, products) == (WORLD.users(NOW), WORLD.product_versions(NOW))
    registered = list(WORLD.users_between(BEGINNING, NOW))
    assert [row[0] for row in rows(connection, "users")] == sorted(user.user_id for user in registered)
    assert backfill(connection, WORLD, NOW) == (0, 0)


def test_an_hour_again_adds_nothing(connection: "psycopg.Connection[Any]") -> None:
    hour = datetime(2025, 3, 1, 3, tzinfo=UTC)
    assert add_users(connection, WORLD, hour, hour + HOUR) == 10
    added = add_products(connection, WORLD, hour, hour + HOUR)
    assert added >= 8
    before = rows(connection, "users"), rows(connection, "products")
    assert add_users(connection, WORLD, hour, hour + HOUR) == add_products(connection, WORLD, hour, hour + HOUR) == 0
    assert (rows(connection, "users"), rows(connection, "products")) == before


def test_hours_that_were_missed_are_filled_in(connection: "psycopg.Connection[Any]") -> None:
    backfill(connection, WORLD, NOW)
    lost = connection.execute(
        "delete from users where valid_from >= '2024-03-01' and valid_from < '2024-03-20'"
    ).rowcount
    assert lost > 20
    assert backfill(connection, WORLD, NOW) == (lost, 0)


def test_a_missing_user_is_found_beside_an_extra_row(connection: "psycopg.Connection[Any]") -> None:
    backfill(connection, WORLD, NOW)
    march = "valid_from >= '2024-03-02' and valid_from < '2024-03-30'"
    for table, key in (("users", "user_id"), ("products", "product_id")):
        (lost,) = connection.execute(f"select min({key}) from {table} where {march}").fetchall()[0]
        connection.execute(
            f"create temporary table extra on commit preserve rows as select * from {table} where {key} = %s", [lost]
        )
        connection.execute(f"update extra set {key} = 'EXTRA'")
        connection.execute(f"delete from {table} where {key} = %s and {march}", [lost])
        connection.execute(f"insert into {table} select * from extra")
        connection.execute("drop table extra")
    assert backfill(connection, WORLD, NOW) == (1, 1)
    assert backfill(connection, WORLD, NOW) == (0, 0)


def test_the_keys_of_the_world_are_those_of_its_users_and_products() -> None:
    users = [(user.user_id, user.created_date) for user in WORLD.users_between(BEGINNING, NOW)]
    assert list(WORLD.user_keys_between(BEGINNING, NOW)) == users
    start, end = datetime(2025, 1, 1, tzinfo=BUSINESS_ZONE), datetime(2025, 1, 9, tzinfo=BUSINESS_ZONE)
    products = [(product.product_id, product.updated_at) for product in WORLD.products_between(start, end)]
    assert sorted(WORLD.product_keys_between(start, end)) == sorted(products)
    assert len(products) > 1_000


def test_a_second_backfill_waits_for_the_first(settings: BatchSettings, connection: "psycopg.Connection[Any]") -> None:
    months: list[str] = []
    outcomes: list[tuple[int, int]] = []

    def second() -> None:
        with connect(settings) as own:
            outcomes.append(backfill(own, WORLD, NOW))

    waiting = threading.Thread(target=second)

    def start_second(month: str) -> None:
        if not months:
            waiting.start()
            with connect(settings) as observer:
                while not observer.execute(_WAITING).fetchone():
                    time.sleep(0.01)
        months.append(month)

    first = backfill(connection, WORLD, NOW, start_second)
    waiting.join()
    assert first == (WORLD.users(NOW), WORLD.product_versions(NOW))
    assert outcomes == [(0, 0)]


_WAITING = "select 1 from pg_locks where locktype = 'advisory' and not granted"


def test_what_hours_add_one_by_one_is_what_filling_adds_at_once(connection: "psycopg.Connection[Any]") -> None:
    start = datetime(2025, 1, 1, 2, tzinfo=BUSINESS_ZONE)
    for number in range(5):
        hour = start + number * HOUR
        add_users(connection, WORLD, hour, hour + HOUR)
        add_products(connection, WORLD, hour, hour + HOUR)
    one_by_one = rows(connection, "users"), rows(connection, "products")
    connection.execute("truncate users, products")
    add_users(connection, WORLD, start, start + 5 * HOUR)
    add_products(connection, WORLD, start, start + 5 * HOUR)
    assert (rows(connection, "users"), rows(connection, "products")) == one_by_one


@pytest.mark.parametrize("number", range(6))
def test_addresses_of_an_hour_have_its_style(connection: "psycopg.Connection[Any]", number: int) -> None:
    hour = datetime(2026, 11, 20, number, tzinfo=UTC)
    catalog = HourlyCatalog(connection, WORLD)
    style = catalog.email_style(hour)
    assert catalog.add_users(hour, style) == 10
    patterns = {
        EmailStyle.FIRST_LAST: r"^[a-z]+\.[a-z]+@",
        EmailStyle.FIRST_NUMBER: r"^[a-z]+\.[1-9]@",
        EmailStyle.LAST_INITIAL: r"^[a-z]+_[a-z]@",
    }
    found = connection.execute("select count(*) from users where email ~ %s", [patterns[style]]).fetchone()
    assert found == (10,)
    other = next(each for each in EmailStyle if each is not style)
    with pytest.raises(ValueError, match="have addresses of style"):
        catalog.add_users(hour, other)
