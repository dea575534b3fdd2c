"""Publishing marts: in their order, described, all at once, and of a long one the first rows."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import duckdb
import psycopg
import pytest

from order_batch.publish.marts import MartDefinition, publish_marts, read_first_rows, read_marts
from order_batch.settings import BatchSettings
from order_batch.transform.results import DbtError
from order_batch.warehouse.duckdb import DuckDbWarehouse

USERS = MartDefinition("mart_users", "Users.", {"user_id": "Key."}, ["orders desc", "user_id"])
HOURS = MartDefinition("mart_hours", "Hours.", {}, ["hour"])
MANY = 1_000


@pytest.fixture
def warehouse(settings: BatchSettings, open_warehouse: duckdb.DuckDBPyConnection) -> DuckDbWarehouse:
    """Two marts."""
    open_warehouse.execute("create schema gold")
    open_warehouse.execute("create table gold.mart_users (user_id varchar, orders bigint, name varchar)")
    open_warehouse.execute(
        "insert into gold.mart_users values ('b', 2, null), ('c', 7, 'Citra\tDewi'), ('B', 2, ''), ('a', 2, '\\N')"
    )
    open_warehouse.execute("create view gold.mart_hours as select range as hour from range(5)")
    return DuckDbWarehouse(settings.warehouse_path)


def published(connection: "psycopg.Connection[Any]", mart: str) -> list[tuple[Any, ...]]:
    """The rows in their order, without their positions."""
    return [row[1:] for row in connection.execute(f'select * from marts."{mart}" order by position')]


def described(connection: "psycopg.Connection[Any]") -> Sequence[tuple[Any, ...]]:
    return connection.execute("select name, description, rows, complete from published_marts order by name").fetchall()


def test_rows_come_in_the_marts_order(connection: "psycopg.Connection[Any]", warehouse: DuckDbWarehouse) -> None:
    assert publish_marts(connection, warehouse, [USERS, HOURS], MANY) == {"mart_users": 4, "mart_hours": 5}
    assert published(connection, "mart_users") == [
        ("c", 7, "Citra\tDewi"), ("B", 2, ""), ("a", 2, "\\N"), ("b", 2, None),
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
    assert [row[0] for row in published(connection, "mart_users")] == ["c", "B", "a", "b"][:most]
    assert described(connection) == [("mart_users", "Users.", most, complete)]


def test_marts_that_are_gone_are_removed(connection: "psycopg.Connection[Any]", warehouse: DuckDbWarehouse) -> None:
    before = published_as(connection, warehouse, [USERS, HOURS])
    assert published_as(connection, warehouse, [USERS]) == before  # nothing of it changed: readers keep their pages
    assert [name for name, *_ in described(connection)] == ["mart_users"]
    assert connection.execute("select to_regclass('marts.mart_hours')").fetchone() == (None,)
    assert [row[0] for row in published(connection, "mart_users")] == ["c", "B", "a", "b"]


def places(connection: "psycopg.Connection[Any]") -> dict[str, tuple[str, int]]:
    """Where Postgres keeps each row of mart_users, which a row that is written again leaves, and its position."""
    found = connection.execute("select user_id, ctid::text, position from marts.mart_users").fetchall()
    return {user_id: (place, position) for user_id, place, position in found}


def test_only_rows_that_changed_are_written(
    connection: "psycopg.Connection[Any]", warehouse: DuckDbWarehouse, open_warehouse: duckdb.DuckDBPyConnection
) -> None:
    first = published_as(connection, warehouse, [USERS])
    before = places(connection)
    open_warehouse.execute("insert into gold.mart_users values ('D', 2, 'Dewi')")
    open_warehouse.execute("update gold.mart_users set name = 'Bayu' where user_id = 'b'")
    open_warehouse.execute("update gold.mart_users set orders = 9 where user_id = 'a'")
    open_warehouse.execute("delete from gold.mart_users where user_id = 'c'")
    assert published_as(connection, warehouse, [USERS]) != first
    assert published(connection, "mart_users") == [("a", 9, "\\N"), ("B", 2, ""), ("D", 2, "Dewi"), ("b", 2, "Bayu")]
    after = places(connection)
    assert after["B"] == before["B"]
    assert after["b"][1] == before["b"][1]
    assert {name for name in after if after[name] != before.get(name)} == {"D", "a", "b"}


@pytest.mark.parametrize("seed", range(3))
def test_any_changes_give_the_rows_of_the_mart(
    connection: "psycopg.Connection[Any]",
    warehouse: DuckDbWarehouse,
    open_warehouse: duckdb.DuckDBPyConnection,
    seed: int,
) -> None:
    random = Random(seed)
    for _ in range(12):
        users, count = f"'u' || range % {random.choice([30, 300])}", random.choice([0, 1, 20, 200])
        wanted = f"select {users} as user_id, {random.randint(1, 3)} * (range % 7) as orders, null as name"
        open_warehouse.execute(f"delete from gold.mart_users where hash(user_id) % 3 = {random.randrange(3)}")
        open_warehouse.execute(
            f"insert into gold.mart_users select distinct on (user_id) * from ({wanted} from range({count})) as added "
            "where user_id not in (select user_id from gold.mart_users)",
        )
        open_warehouse.execute(
            f"update gold.mart_users set orders = orders + 1 where hash(user_id) % 9 = {random.randrange(9)}"
        )
        most = random.choice([50, MANY])
        publish_marts(connection, warehouse, [USERS], most)
        expected = open_warehouse.execute("from gold.mart_users order by orders desc, user_id").fetchall()
        assert published(connection, "mart_users") == expected[:most]
        assert described(connection) == [
            ("mart_users", "Users.", len(expected[:most]), len(expected) <= most),
        ]


def test_no_row_is_looked_up_by_an_index(
    connection: "psycopg.Connection[Any]", warehouse: DuckDbWarehouse, open_warehouse: duckdb.DuckDBPyConnection
) -> None:
    """A look-up per row would cost more with each row of the same user."""
    open_warehouse.execute(
        "create table gold.mart_pairs as select 'u' || range % 200 as user_id, 'p' || range // 200 as product_id, "
        "1 as orders, range * 7 % 9973 as amount from range(20_000)",
    )
    order = ["orders desc", "amount desc", "user_id", "product_id"]
    pairs = MartDefinition("mart_pairs", "Pairs.", {}, order)
    for _ in range(2):
        publish_marts(connection, warehouse, [pairs], 100_000)
        connection.execute("analyze marts.mart_pairs")
    connection.execute("select pg_stat_force_next_flush()")
    looked_up = connection.execute(
        "select indexrelname, idx_scan from pg_stat_user_indexes where relname = 'mart_pairs' and idx_scan > 0"
    )
    assert looked_up.fetchall() == []


def test_a_table_without_room_between_two_rows_is_created_again(
    connection: "psycopg.Connection[Any]", warehouse: DuckDbWarehouse, open_warehouse: duckdb.DuckDBPyConnection
) -> None:
    publish_marts(connection, warehouse, [USERS], MANY)
    table = "select 'marts.mart_users'::regclass::oid::bigint"
    tables = set()
    for number in range(40):
        open_warehouse.execute(f"insert into gold.mart_users values ('a{number:02}', 2, null)")
        publish_marts(connection, warehouse, [USERS], MANY)
        tables.add(connection.execute(table).fetchone())
    assert 1 < len(tables) < 10
    assert [row[0] for row in published(connection, "mart_users")] == [
        "c", "B", "a", *(f"a{number:02}" for number in range(40)), "b",
    ]  # fmt: skip


def test_another_order_or_column_gives_a_new_table(
    connection: "psycopg.Connection[Any]", warehouse: DuckDbWarehouse, open_warehouse: duckdb.DuckDBPyConnection
) -> None:
    publish_marts(connection, warehouse, [USERS], MANY)
    publish_marts(connection, warehouse, [replace(USERS, order_by=["orders", "user_id desc"])], MANY)
    assert [row[0] for row in published(connection, "mart_users")] == ["b", "a", "B", "c"]
    open_warehouse.execute("alter table gold.mart_users add column city varchar")
    publish_marts(connection, warehouse, [USERS], MANY)
    assert [row[-1] for row in published(connection, "mart_users")] == [None] * 4


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


def published_as(
    connection: "psycopg.Connection[Any]", warehouse: DuckDbWarehouse, found: Sequence[MartDefinition]
) -> Any:
    """Publish, and tell under which publication."""
    publish_marts(connection, warehouse, found, MANY)
    return connection.execute("select publication from published_marts where name = 'mart_users'").fetchone()
