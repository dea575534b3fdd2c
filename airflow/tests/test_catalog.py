"""The catalog, hour by hour and all at once, in a real database."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from marketplace_simulator import BEGINNING, EmailStyle, World
from order_batch.catalog.backfill import add_products, add_users, backfill
from order_batch.catalog.hourly import HourlyCatalog
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
