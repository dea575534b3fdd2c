"""Publishing marts: in their order, described, all at once, and of a long one the first rows."""

from collections.abc import Sequence
from typing import Any

import duckdb
import psycopg
import pytest

from order_batch.publish.marts import Mart, publish_marts, read_first_rows, read_marts
from order_batch.settings import BatchSettings
from order_batch.transform.dbt import DbtError
from order_batch.warehouse.duckdb import DuckDbWarehouse

USERS = Mart("mart_users", "Users.", {"user_id": "Key."}, ["orders desc", "user_id"])
HOURS = Mart("mart_hours", "Hours.", {}, ["hour"])
MANY = 1_000


@pytest.fixture
def warehouse(settings: BatchSettings) -> DuckDbWarehouse:
    """Two marts."""
    with duckdb.connect(settings.warehouse_path) as connection:
        connection.execute("create schema gold")
        connection.execute("create table gold.mart_users (user_id varchar, orders bigint, name varchar)")
        connection.execute(
            "insert into gold.mart_users values ('b', 2, null), ('c', 7, 'Citra\tDewi'), ('B', 2, ''), ('a', 2, '\\N')"
        )
        connection.execute("create view gold.mart_hours as select range as hour from range(5)")
    return DuckDbWarehouse(settings.warehouse_path)


def published(connection: "psycopg.Connection[Any]", mart: str) -> Sequence[tuple[Any, ...]]:
    return connection.execute(f'select * from marts."{mart}" order by position').fetchall()


def described(connection: "psycopg.Connection[Any]") -> Sequence[tuple[Any, ...]]:
    return connection.execute("select name, description, rows, complete from published_marts order by name").fetchall()


def test_rows_come_in_the_marts_order(connection: "psycopg.Connection[Any]", warehouse: DuckDbWarehouse) -> None:
    assert publish_marts(connection, warehouse, [USERS, HOURS], MANY) == {"mart_users": 4, "mart_hours": 5}
    assert published(connection, "mart_users") == [
        (1, "c", 7, "Citra\tDewi"), (2, "B", 2, ""), (3, "a", 2, "\\N"), (4, "b", 2, None),
    ]  # fmt: skip
    assert described(connection) == [("mart_hours", "Hours.", 5, True), ("mart_users", "Users.", 4, True)]
    assert connection.execute("select col_description('marts.mart_users'::regclass, 2)").fetchone() == ("Key.",)
    assert list(read_first_rows(connection, 1)) == [
        ("mart_hours", ["hour"], [(0,)]),
        ("mart_users", ["user_id", "orders", "name"], [("c", 7, "Citra\tDewi")]),
    ]


def test_rows_can_be_looked_up_by_the_key(connection: "psycopg.Connection[Any]", warehouse: DuckDbWarehouse) -> None:
    for _ in range(2):
        publish_marts(connection, warehouse, [USERS, HOURS], MANY)
    indexes = connection.execute(
        "select tablename, substring(indexdef from '\\(.*') from pg_indexes where schemaname = 'marts' order by 1, 2"
    )
    assert indexes.fetchall() == [
        ("mart_hours", '("position")'), ("mart_users", '("position")'), ("mart_users", '(user_id, "position")'),
    ]  # fmt: skip


@pytest.mark.parametrize(("most", "complete"), [(3, False), (4, True)])
def test_of_a_long_mart_the_first_rows_are_published(
    connection: "psycopg.Connection[Any]", warehouse: DuckDbWarehouse, most: int, complete: bool
) -> None:
    publish_marts(connection, warehouse, [USERS], most)
    assert [row[1] for row in published(connection, "mart_users")] == ["c", "B", "a", "b"][:most]
    assert described(connection) == [("mart_users", "Users.", most, complete)]


def test_what_is_published_again_replaces_all(
    connection: "psycopg.Connection[Any]", warehouse: DuckDbWarehouse
) -> None:
    before = published_as(connection, warehouse, [USERS, HOURS])
    assert published_as(connection, warehouse, [USERS]) != before
    assert [name for name, *_ in described(connection)] == ["mart_users"]
    assert connection.execute("select to_regclass('marts.mart_hours')").fetchone() == (None,)
    assert [row[0] for row in published(connection, "mart_users")] == [1, 2, 3, 4]


def test_readers_see_the_old_marts_until_the_new_ones_are_complete(
    settings: BatchSettings, connection: "psycopg.Connection[Any]", warehouse: DuckDbWarehouse
) -> None:
    publish_marts(connection, warehouse, [USERS], MANY)
    url = settings.database_url.get_secret_value()
    with psycopg.connect(url, autocommit=True, options="-c lock_timeout=1s") as reader:

        class Watched(DuckDbWarehouse):
            """Looks at what is published while the second mart is read."""

            def gold(self, mart: str, order_by: Sequence[str] = (), limit: int | None = None) -> Any:
                if mart == HOURS.name:
                    seen.extend(published(reader, "mart_users"))
                return super().gold(mart, order_by, limit)

        seen: list[tuple[Any, ...]] = []
        publish_marts(connection, Watched(settings.warehouse_path), [USERS, HOURS], MANY)
    assert len(seen) == 4


def test_a_gold_model_without_an_order_is_named() -> None:
    node = {
        "name": "mart_new", "resource_type": "model", "fqn": ["orderwatch", "gold", "mart_new"],
        "description": "", "columns": {}, "config": {"meta": {}},
    }  # fmt: skip
    with pytest.raises(DbtError, match=r"mart_new.*order_by"):
        read_marts({"nodes": {"model.mart_new": node}})


def published_as(connection: "psycopg.Connection[Any]", warehouse: DuckDbWarehouse, found: Sequence[Mart]) -> Any:
    """Publish, and tell under which publication."""
    publish_marts(connection, warehouse, found, MANY)
    return connection.execute("select publication from published_marts where name = 'mart_users'").fetchone()
