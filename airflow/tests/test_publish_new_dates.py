"""Publishing what new dates hold: the rows are those that reading the whole mart would give, and little is read."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

import psycopg
import pytest

from order_batch.publish.marts import MartDefinition, differing_marts, publish_marts
from order_batch.publish.names import Names
from order_batch.settings import BatchSettings
from order_batch.warehouse.duckdb import DuckDbWarehouse

FIRST = date(2026, 11, 1)
USERS = MartDefinition("mart_users", "Users.", {}, ["orders desc", "user_id"], published_rows=900)
PAIRS = MartDefinition(
    "mart_pairs", "Pairs.", {"orders": "Number."}, ["orders desc", "amount desc", "user_id", "product_id"], "by_date",
    [Names("user_id", "users", "names_by_date", ["name"])],
)  # fmt: skip
MARTS = [PAIRS, USERS]
COLUMNS = "user_id, name, product_id, sum(daily.orders)::bigint as orders, sum(daily.amount)::bigint as amount"


class Shop(DuckDbWarehouse):
    """A warehouse of orders by date, which knows what was read of it."""

    def __init__(self, settings: BatchSettings) -> None:
        super().__init__(settings.warehouse_path)
        self.prepare()
        self.read: list[str] = []
        self.run(
            "create schema silver", "create schema gold",
            "create table silver.daily "
            "(business_date date, user_id text, product_id text, orders bigint, amount bigint)",
            "create table silver.versions (user_id text, name text, valid_from timestamp)",
            "create view silver.hashed as select *, (hash(versions) >> 4)::bigint as row_hash from silver.versions",
            "create view silver.users as select user_id, last(name order by valid_from) as name from silver.versions "
            "group by user_id",
            "create view silver.built_partitions as select 'orders' as table_name, business_date as partition_start, "
            "sum(orders)::bigint as total_rows, bit_xor(hash(daily) >> 4)::bigint as content_hash from silver.daily "
            "group by all union all select 'users', date_trunc('month', valid_from)::date, count(*), bit_xor(row_hash) "
            "from silver.hashed group by all",
            "create view silver.names_by_date as select valid_from::date as business_date, user_id, users.name, "
            "row_hash, valid_from from silver.hashed join silver.users using (user_id)",
            # Dates whose build did not finish are those without built_dates.
            "create view silver.agg_daily_payment_hour_orders as select business_date from silver.daily",
            "create table silver.built_dates (business_date date)",
            f"create view gold.mart_pairs as select {COLUMNS} from silver.daily left join silver.users using (user_id) "
            "group by all",
            "create view gold.mart_users as select user_id, name, sum(orders)::bigint as orders from silver.daily "
            "left join silver.users using (user_id) group by all",
            "create view silver.by_date as select dated.business_date, "
            f"count(*) filter (where daily.business_date <> dated.business_date) = 0 as is_new, {COLUMNS} "
            "from silver.daily as dated join silver.daily as daily using (user_id, product_id) "
            "left join silver.users using (user_id) group by all",
        )  # fmt: skip
        self.record_models({"mart_pairs": "v1", "mart_users": "v1"})

    def run(self, *statements: str) -> None:
        """Change it."""
        with self._connect() as connection:
            for statement in statements:
                connection.execute(statement)

    def expected(self, mart: MartDefinition, most: int) -> list[tuple[Any, ...]]:
        """The first rows of a mart."""
        with self._connect() as connection:
            order = ", ".join(mart.order_by)
            return connection.execute(f"from gold.{mart.name} order by {order} limit {most}").fetchall()

    def gold(self, mart: str, order_by: Sequence[str] = (), limit: int | None = None) -> Any:
        self.read.append(mart)
        return super().gold(mart, order_by, limit)

    def of_dates(self, view: str, days: Sequence[date], order_by: Sequence[str]) -> Any:
        self.read += [f"{view} {day}" for day in days]
        return super().of_dates(view, days, order_by)

    def add_date(self, random: Random, day: date, orders: int = 40) -> None:
        """Orders of a date: of few users and products, so that many are of known pairs."""
        rows = (
            f"('{random.choice('uU')}{random.randrange(9)}', 'p{random.randrange(12)}', {random.randrange(9)})"
            for _ in range(orders)
        )
        self.run(
            f"insert into silver.built_dates values ('{day}')",
            f"insert into silver.daily select date '{day}', user_id, product_id, count(*), sum(amount) "
            f"from (values {', '.join(rows)}) as orders (user_id, product_id, amount) group by user_id, product_id",
        )

    def add_version(self, user_id: str, name: str, valid_from: datetime) -> None:
        """A user's name from a moment on."""
        self.run(f"insert into silver.versions values ('{user_id}', '{name}', '{valid_from}')")


@pytest.fixture
def shop(settings: BatchSettings, open_warehouse: object) -> Shop:
    """With orders of one date."""
    shop = Shop(settings)
    shop.run("insert into silver.versions select 'u' || range, 'name ' || range, '2026-10-30' from range(6)")
    shop.add_date(Random(0), FIRST)
    return shop


Connection = psycopg.Connection[Any]


def publish(
    connection: Connection, shop: Shop, most: int = 1_000, marts: Sequence[MartDefinition] = MARTS
) -> list[str]:
    """Publish; returns what was read of the pairs. What is published is then what the warehouse holds."""
    shop.read.clear()
    publish_marts(connection, shop, marts, most)
    read = [each for each in shop.read if each != "mart_users" and not each.startswith("names_by_date")]
    for mart in marts:
        found = connection.execute(f"select * from marts.{mart.name} order by position").fetchall()
        assert [row[1:] for row in found] == shop.expected(mart, most)
        (said,) = connection.execute("select rows, complete from published_marts where name = %s", [mart.name])
        assert said == (len(found), len(shop.expected(mart, most + 1)) <= most)
    assert differing_marts(connection, shop, marts, most) == []
    return read


def test_marts_are_made_again_where_new_dates_are_a_large_part(
    connection: Connection, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("order_batch.publish.marts.MANY_ORDERS", 40)
    publish(connection, shop)
    table = "select 'marts.mart_pairs'::regclass::oid"
    before = connection.execute(table).fetchone()
    shop.add_date(Random(1), FIRST + timedelta(days=1))
    assert publish(connection, shop) == ["mart_pairs"]
    assert connection.execute(table).fetchone() != before
    assert connection.execute("select to_regclass('marts.mart_pairs_by_order')").fetchone() != (None,)
    # A quarter of all orders is, and less is not.
    for number, orders, read in ((2, 39, False), (3, 40, True), (4, 52, False), (5, 71, True)):
        day = FIRST + timedelta(days=number)
        shop.add_date(Random(number), day, orders)
        assert publish(connection, shop) == (["mart_pairs"] if read else [f"by_date {day}"])


@pytest.mark.parametrize("most", [1_000, 60])
def test_of_new_dates_their_pairs_alone_are_read(connection: Connection, shop: Shop, most: int) -> None:
    assert publish(connection, shop, most) == ["mart_pairs"]
    for number in range(1, 9):
        days = [FIRST + timedelta(days=2 * number), FIRST + timedelta(days=2 * number - 1)]
        for day in days:
            shop.add_date(Random(str(day)), day)
        shop.add_version(f"u{number % 5}", f"other {number}", datetime(2026, 11, 1, number))  # noqa: DTZ001
        assert publish(connection, shop, most) == [f"by_date {day}" for day in sorted(days)]
        assert connection.execute("select col_description('marts.mart_pairs'::regclass, 5)").fetchone() == ("Number.",)


@pytest.mark.parametrize(
    "change",
    [
        f"insert into silver.daily values ('{FIRST}', 'u1', 'late', 1, 1)",
        f"delete from silver.daily where business_date = '{FIRST}' and user_id = 'u1'",
        f"delete from silver.daily where business_date = '{FIRST}'",
        "insert or replace into raw.model_versions values ('mart_pairs', 'v2')",
    ],
)
def test_when_other_dates_or_the_mart_s_definition_changed_all_is_read(
    connection: Connection, shop: Shop, change: str
) -> None:
    publish(connection, shop)
    shop.add_date(Random(1), FIRST + timedelta(days=1))
    shop.run(change)
    assert publish(connection, shop) == ["mart_pairs"]
    shop.add_date(Random(2), FIRST + timedelta(days=2))
    assert publish(connection, shop) == [f"by_date {FIRST + timedelta(days=2)}"]


def test_with_another_length_or_order_all_is_read(connection: Connection, shop: Shop) -> None:
    publish(connection, shop)
    for number, (most, order) in enumerate([(20, PAIRS.order_by), (20, ["amount desc", *PAIRS.order_by[2:]])], 1):
        shop.add_date(Random(number), FIRST + timedelta(days=number))
        assert publish(connection, shop, most, [replace(PAIRS, order_by=order), USERS]) == ["mart_pairs"]


@pytest.mark.parametrize(
    "change",
    [
        "delete from silver.versions where user_id = 'u1'",
        "update silver.versions set name = 'erased' where user_id = 'u1'",
        "insert into silver.versions values ('u1', 'earlier', '2026-10-01')",
        "insert into silver.versions select 'u1', 'late', make_date(2020, range::bigint, 1) from range(1, 4)",
        "delete from silver.versions",
    ],
)
def test_where_the_catalog_did_not_only_gain_later_versions_all_is_read(
    connection: Connection, shop: Shop, change: str
) -> None:
    publish(connection, shop)
    shop.add_date(Random(1), FIRST + timedelta(days=1))
    shop.run(change)
    assert publish(connection, shop) == ["mart_pairs"]


def test_after_a_build_that_did_not_finish_all_is_read(connection: Connection, shop: Shop) -> None:
    publish(connection, shop)
    for number, is_finished in enumerate([False, False, True, True], 1):
        day = FIRST + timedelta(days=number)
        shop.add_date(Random(number), day)
        if is_finished:
            shop.run("insert into silver.built_dates select distinct business_date from silver.daily")
        else:
            shop.run("delete from silver.built_dates")
        assert publish(connection, shop) == (["mart_pairs"] if number < 4 else [f"by_date {day}"])


def test_a_mart_may_be_cut_at_fewer_rows_than_others(connection: Connection, shop: Shop) -> None:
    for most, expected in ((2, 2), (5, 3)):
        publish_marts(connection, shop, [replace(USERS, published_rows=3)], most)
        found = connection.execute("select rows, complete from published_marts").fetchall()
        assert found == [(expected, False)]
        assert differing_marts(connection, shop, [replace(USERS, published_rows=3)], most) == []


def test_without_new_dates_or_when_asked_to_all_is_read(connection: Connection, shop: Shop) -> None:
    publish(connection, shop)
    assert publish(connection, shop) == ["mart_pairs"]
    shop.add_date(Random(1), FIRST + timedelta(days=1))
    shop.read.clear()
    publish_marts(connection, shop, MARTS, 1_000, whole=True)
    assert "mart_pairs" in shop.read


def test_a_date_that_is_built_while_marts_are_read_is_read_whole_the_next_time(
    connection: Connection, shop: Shop
) -> None:
    publish(connection, shop)
    shop.add_date(Random(1), FIRST + timedelta(days=1))

    class Interrupted(Shop):
        def __init__(self) -> None:
            DuckDbWarehouse.__init__(self, shop._path)
            self.read = []

        def of_dates(self, view: str, days: Sequence[date], order_by: Sequence[str]) -> Any:
            self.add_date(Random(2), FIRST + timedelta(days=2))
            return super().of_dates(view, days, order_by)

    publish_marts(connection, Interrupted(), MARTS, 1_000)
    shop.run(f"delete from silver.daily where business_date = '{FIRST + timedelta(days=2)}'")
    shop.add_date(Random(3), FIRST + timedelta(days=2), 5)
    assert publish(connection, shop) == ["mart_pairs"]


def test_where_no_place_is_left_the_table_is_made_again(connection: Connection, shop: Shop) -> None:
    publish(connection, shop)
    connection.execute("update marts.mart_pairs set position = -position")
    connection.execute(
        "update marts.mart_pairs set position = place from (select user_id, product_id, row_number() over "
        "(order by position desc) as place from marts.mart_pairs) as places "
        "where mart_pairs.user_id = places.user_id and mart_pairs.product_id = places.product_id"
    )
    shop.add_date(Random(1), FIRST + timedelta(days=1))
    assert publish(connection, shop) == [f"by_date {FIRST + timedelta(days=1)}", "mart_pairs"]
    shop.add_date(Random(2), FIRST + timedelta(days=2))
    assert publish(connection, shop) == [f"by_date {FIRST + timedelta(days=2)}"]


@pytest.mark.parametrize(
    "change",
    [
        "delete from marts.mart_pairs where position = (select min(position) from marts.mart_pairs)",
        "update marts.mart_pairs set amount = amount + 1 where position = (select max(position) from marts.mart_pairs)",
        "update marts.mart_pairs set name = 'edited' where user_id = 'u3'",
        "insert into marts.mart_pairs select 1, 'x', 'x', 'x', 0, 0",
        "update marts.mart_pairs set position = -position",
        "alter table marts.mart_pairs drop column name",
        "drop table marts.mart_pairs",
        "update published_marts set complete = false where name = 'mart_pairs'",
    ],
)
def test_what_was_changed_in_postgres_is_found_and_not_touched(connection: Connection, shop: Shop, change: str) -> None:
    publish(connection, shop)
    assert differing_marts(connection, shop, MARTS, 1_000) == []
    connection.execute(change)
    for _ in range(2):
        assert differing_marts(connection, shop, MARTS, 1_000) == ["mart_pairs"]
    assert differing_marts(connection, shop, [USERS], 1_000) == ["mart_pairs"]
    publish_marts(connection, shop, MARTS, 1_000, whole=True)
    assert differing_marts(connection, shop, MARTS, 1_000) == []
