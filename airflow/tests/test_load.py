"""From Postgres into DuckDB: complete, again, late, out of order, and refused when something is missing."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import psycopg
import pyarrow.parquet as pq
import pytest

from order_batch.app import open_pipeline
from order_batch.extract.postgres import extract
from order_batch.extract.totals import PostgresTotals
from order_batch.loads.comparison import LifeState
from order_batch.loads.ledger import LoadLedger
from order_batch.loads.loader import ORDER_TABLES, load
from order_batch.pipeline import BatchPipeline
from order_batch.settings import BatchSettings
from order_batch.warehouse.duckdb import SETTINGS, DuckDbWarehouse
from order_batch.warehouse.partitions import EARLIEST, Partition, Totals
from order_batch.warehouse.port import WarehouseError
from order_batch.warehouse.tables import ORDERS, RULE_HITS, USERS, Table
from order_contract.business_time import BUSINESS_ZONE

from .conftest import StoreOrders
from .content_hash import content_hash

FIRST = date(2026, 11, 18)
LAST = date(2026, 11, 20)
DAYS = [FIRST, date(2026, 11, 19), LAST]


@pytest.fixture
def warehouse(settings: BatchSettings, open_warehouse: object) -> DuckDbWarehouse:
    """An empty one, its tables there."""
    warehouse = DuckDbWarehouse(settings.warehouse_path)
    warehouse.prepare()
    return warehouse


@pytest.fixture
def pipeline(
    settings: BatchSettings, connection: "psycopg.Connection[Any]", warehouse: DuckDbWarehouse
) -> BatchPipeline:
    """The batch side on both."""
    return BatchPipeline(settings, connection, warehouse)


def raw(settings: BatchSettings, query: str) -> list[tuple[Any, ...]]:
    """What a query on the warehouse gives."""
    with duckdb.connect(settings.warehouse_path, config=dict(SETTINGS)) as found:
        found.execute("set TimeZone = 'UTC'")
        return found.execute(query).fetchall()


ORDER_COLUMNS = [column.name for column in ORDERS.columns if column.name != "business_date"]


def everything(settings: BatchSettings) -> list[tuple[Any, ...]]:
    """All loaded orders."""
    return raw(settings, "select * exclude (row_hash) from raw.orders order by order_id")


def dates_to_load(pipeline: BatchPipeline, first: date, last: date) -> list[date]:
    """Dates whose orders or hits differ between Postgres and the raw tables."""
    compared = pipeline.compare(first, last)
    return sorted({each.partition.start for each in compared if each.table in ORDER_TABLES and each.must_load})


def test_what_is_loaded_is_what_is_stored(
    settings: BatchSettings, connection: "psycopg.Connection[Any]", pipeline: BatchPipeline, store_orders: StoreOrders
) -> None:
    store_orders(FIRST, 3, 900)
    for day in DAYS:
        pipeline.load_orders(day)
    documents = {"attributes", "features"}
    names = ", ".join(f"{name}::text" if name in documents else name for name in ORDER_COLUMNS)
    names = names.replace(" seen,", " encode(seen, 'hex'),")
    stored = connection.execute(
        f"select (created_date at time zone 'Asia/Jakarta')::date, {names} from orders order by order_id"
    ).fetchall()
    assert everything(settings) == stored
    hits = connection.execute(
        "select o.order_id, h ->> 'rule', (h ->> 'score')::int, h ->> 'reason', number "
        "from orders as o, json_array_elements(o.hits) with ordinality as hits (h, number) order by 1, 2"
    ).fetchall()
    assert len(hits) > 10
    assert raw(settings, "select order_id, rule, score, reason, hit_number from raw.rule_hits order by 1, 2") == hits


def test_raw_rows_have_the_hash_of_their_content(
    settings: BatchSettings, pipeline: BatchPipeline, store_orders: StoreOrders
) -> None:
    store_orders(FIRST, 1, 200)
    pipeline.load_orders(FIRST)
    for table in ORDER_TABLES:
        names = [column.name for column in table.columns]
        found = raw(settings, f"select row_hash, {', '.join(names)} from raw.{table.name}")
        assert len(found) > 3
        for row_hash, *values in found:
            assert row_hash == content_hash(table, [dict(zip(names, values, strict=True))])


def test_dates_again_and_backwards_give_the_same(
    settings: BatchSettings, pipeline: BatchPipeline, store_orders: StoreOrders
) -> None:
    store_orders(FIRST, 3, 600)
    for day in DAYS:
        pipeline.load_orders(day)
    before = everything(settings)
    for day in [*reversed(DAYS), *DAYS]:
        assert pipeline.load_orders(day)["orders"] >= 200
    assert everything(settings) == before
    assert dates_to_load(pipeline, FIRST, LAST) == []


def test_a_late_order_makes_its_own_date_dirty_and_no_other(
    settings: BatchSettings, connection: "psycopg.Connection[Any]", pipeline: BatchPipeline, store_orders: StoreOrders
) -> None:
    store_orders(FIRST, 3, 300)
    assert dates_to_load(pipeline, FIRST, LAST) == DAYS
    for day in DAYS:
        pipeline.load_orders(day)
    assert dates_to_load(pipeline, FIRST, LAST) == []
    store_orders(FIRST - timedelta(days=1), 1, 10)
    assert dates_to_load(pipeline, EARLIEST, LAST) == [FIRST - timedelta(days=1)]


@pytest.mark.parametrize(
    "change",
    [
        "update orders set device_id = 'another' where order_id = $1",
        "update orders set email = null where order_id = $1",
        "update orders set features = '{}' where order_id = $1",
        "update orders set stored_at = stored_at + interval '1 microsecond' where order_id = $1",
        "delete from orders where order_id = $1",
    ],
)
def test_any_change_of_an_order_makes_its_date_dirty(
    connection: "psycopg.Connection[Any]", pipeline: BatchPipeline, store_orders: StoreOrders, change: str
) -> None:
    store_orders(FIRST, 2, 200)
    connection.execute("update orders set email = 'someone@example.com'")
    for day in DAYS[:2]:
        pipeline.load_orders(day)
    ((order_id, day),) = connection.execute(
        "select order_id, (created_date at time zone 'Asia/Jakarta')::date from orders limit 1"
    )
    connection.execute(change.replace("$1", "%s"), [order_id])
    (dirty,) = [each for each in pipeline.compare(EARLIEST, LAST) if each.must_load]
    assert (dirty.table, dirty.partition.start, dirty.state) == (ORDERS, day, LifeState.CHANGED)
    pipeline.load_orders(day)
    assert dates_to_load(pipeline, EARLIEST, LAST) == []


@pytest.mark.parametrize("lost", ["the file", "a month"])
def test_users_and_products_that_the_warehouse_lost_are_loaded_again(
    settings: BatchSettings,
    connection: "psycopg.Connection[Any]",
    open_warehouse: duckdb.DuckDBPyConnection,
    pipeline: BatchPipeline,
    lost: str,
) -> None:
    connection.execute(
        "insert into users select 'U' || n, '2026-09-01 00:00+07'::timestamptz + n * interval '1 week', 'A', 'B', "
        "'a@example.com', 'DANA', 'Bandung', now() from generate_series(1, 10) as n"
    )
    loaded = pipeline.load_users(LAST)
    assert loaded == {"users": 10}
    assert pipeline.load_users(LAST) == {}
    if lost == "the file":
        open_warehouse.close()  # else this process would find the file that is gone
        settings.warehouse_path.unlink()
        DuckDbWarehouse(settings.warehouse_path).prepare()
        assert pipeline.load_users(LAST) == loaded
    else:
        with duckdb.connect(settings.warehouse_path, config=dict(SETTINGS)) as found:
            found.execute("delete from raw.users where changed_date < '2026-10-01'")
        assert pipeline.load_users(LAST) == {"users": 4}
    assert raw(settings, "select count(*) from raw.users") == [(10,)]


def test_a_warehouse_that_lost_rows_is_found_though_nothing_changed_in_postgres(
    settings: BatchSettings, pipeline: BatchPipeline, store_orders: StoreOrders
) -> None:
    store_orders(FIRST, 3, 300)
    for day in DAYS[:2]:
        pipeline.load_orders(day)
    with duckdb.connect(settings.warehouse_path, config=dict(SETTINGS)) as found:
        found.execute("delete from raw.rule_hits where business_date = $1", [DAYS[1]])
        found.execute("update raw.orders set amount = amount + 1 where business_date = $1", [DAYS[1]])
    states = {(each.partition.start, each.table.name): each.state for each in pipeline.compare(FIRST, LAST)}
    assert states == {
        (FIRST, "orders"): LifeState.NOT_BUILT, (FIRST, "rule_hits"): LifeState.NOT_BUILT,
        (DAYS[1], "orders"): LifeState.DIFFERS, (DAYS[1], "rule_hits"): LifeState.MISSING,
        (LAST, "orders"): LifeState.NOT_LOADED, (LAST, "rule_hits"): LifeState.NOT_LOADED,
    }  # fmt: skip
    for day in dates_to_load(pipeline, FIRST, LAST):
        pipeline.load_orders(day)
    assert {each.state for each in pipeline.compare(FIRST, LAST)} == {LifeState.NOT_BUILT}


def test_midnight_in_jakarta_parts_the_dates(
    settings: BatchSettings, connection: "psycopg.Connection[Any]", pipeline: BatchPipeline, store_orders: StoreOrders
) -> None:
    store_orders(FIRST, 1, 4)
    midnight = datetime(2026, 11, 19, tzinfo=BUSINESS_ZONE)
    moments = [midnight - timedelta(microseconds=1), midnight, midnight + timedelta(hours=6, minutes=59)]
    orders = connection.execute("select order_id from orders order by 1").fetchall()
    for (order_id,), moment in zip(orders, moments, strict=False):
        connection.execute("update orders set created_date = %s where order_id = %s", [moment, order_id])
    for day in DAYS:
        pipeline.load_orders(day)
    found = raw(settings, "select business_date, count(*) from raw.orders group by 1 order by 1")
    assert found == [(FIRST, 2), (date(2026, 11, 19), 2)]


def test_a_day_that_lost_its_orders_is_emptied(
    settings: BatchSettings, connection: "psycopg.Connection[Any]", pipeline: BatchPipeline, store_orders: StoreOrders
) -> None:
    store_orders(FIRST, 1, 50)
    pipeline.load_orders(FIRST)
    connection.execute("delete from orders")
    assert dates_to_load(pipeline, FIRST, FIRST) == [FIRST]
    assert pipeline.load_orders(FIRST) == {"orders": 0, "orders_amount": 0, "rule_hits": 0, "labels": 0}
    assert everything(settings) == []
    assert dates_to_load(pipeline, FIRST, FIRST) == []


def test_a_load_that_misses_rows_is_refused_and_changes_nothing(
    settings: BatchSettings,
    connection: "psycopg.Connection[Any]",
    warehouse: DuckDbWarehouse,
    pipeline: BatchPipeline,
    store_orders: StoreOrders,
) -> None:
    store_orders(FIRST, 1, 100)
    pipeline.load_orders(FIRST)
    before = everything(settings)
    connection.execute("update orders set quantity = quantity + 1, stored_at = now()")
    (orders,) = extract(connection, [(ORDERS, Partition.of(ORDERS, FIRST))], settings.staging)
    (file,) = orders.files
    rows = pq.read_table(file)
    pq.write_table(rows.slice(1), file)
    with pytest.raises(WarehouseError, match=r"raw\.orders of 2026-11-18 is unchanged: 100 rows in Postgres, 99 in"):
        load(warehouse, LoadLedger(connection, warehouse.name), [orders])
    assert everything(settings) == before
    assert dates_to_load(pipeline, FIRST, FIRST) == [FIRST]


@pytest.mark.parametrize(
    "change",
    [
        "update orders set amount = amount + 1 where order_id = (select min(order_id) from orders)",
        "update orders set hits = '[]' where hits::text <> '[]'",
        "delete from orders where order_id = (select min(order_id) from orders)",
        "delete from orders where (created_date at time zone 'Asia/Jakarta')::date = '2026-11-18'",
        "update orders set amount = amount",
        "update orders set created_date = created_date + interval '1 day'",
        "delete from users",
    ],
)
def test_rows_are_hashed_again_when_any_of_them_was_written(
    connection: "psycopg.Connection[Any]",
    store_orders: StoreOrders,
    change: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store_orders(FIRST, 2, 200)
    connection.execute(
        "insert into users select distinct user_id, created_date, 'A', 'B', 'a@example.com', 'DANA', 'Bandung', "
        "created_date from orders"
    )
    known = PostgresTotals(connection)

    def read(totals: PostgresTotals) -> list[dict[Partition, Totals]]:
        return [totals.read(table, FIRST, DAYS[1]) for table in (ORDERS, RULE_HITS, USERS)]

    before = read(known)
    assert all(before)
    with monkeypatch.context() as unchanged:
        unchanged.setattr(PostgresTotals, "_hash", None)
        assert read(known) == before
        assert known.read(ORDERS, FIRST, FIRST).keys() == {Partition.of(ORDERS, FIRST)}
    with connection.transaction(force_rollback=True):
        connection.execute(change)
        assert read(known) == read(PostgresTotals(connection))
    assert read(known) == before


def test_extracted_rows_have_the_totals_that_postgres_computes_of_them(
    settings: BatchSettings,
    connection: "psycopg.Connection[Any]",
    store_orders: StoreOrders,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store_orders(FIRST, 1, 200)
    connection.execute(
        "update orders set amount = 9223372036854775807 where order_id < (select max(order_id) from orders)"
    )
    known, first, second = PostgresTotals(connection), Partition.of(ORDERS, FIRST), Partition.of(ORDERS, DAYS[1])
    wanted = [(table, partition) for table in ORDER_TABLES for partition in (first, second)]
    extracts = extract(connection, wanted, settings.staging, totals=known)
    assert [each.totals.rows > 0 for each in extracts] == [True, False, True, False]
    monkeypatch.setattr(PostgresTotals, "_hash", None)  # they are known from now on
    found = [known.read(table, FIRST, DAYS[1]) for table in ORDER_TABLES]
    assert found == [{first: each.totals} for each in extracts if each.totals.rows]
    monkeypatch.undo()
    assert found == [PostgresTotals(connection).read(table, FIRST, DAYS[1]) for table in ORDER_TABLES]


def test_dates_that_did_not_change_are_not_hashed_again_with_those_that_did(
    connection: "psycopg.Connection[Any]", store_orders: StoreOrders, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_orders(FIRST, 3, 60)
    known = PostgresTotals(connection)
    known.read(ORDERS, FIRST, DAYS[2])
    connection.execute(
        "update orders set amount = amount + 1 where (created_date at time zone 'Asia/Jakarta')::date = %s", [DAYS[1]]
    )
    hashed: list[tuple[date, date]] = []
    hash_rows = PostgresTotals._hash

    def noted(totals: PostgresTotals, table: Table, first: date, last: date) -> dict[Partition, Totals]:
        hashed.append((first, last))
        return hash_rows(totals, table, first, last)

    monkeypatch.setattr(PostgresTotals, "_hash", noted)
    found = known.read(ORDERS, FIRST, DAYS[2])
    assert hashed == [(DAYS[1], DAYS[1])]
    assert found == PostgresTotals(connection).read(ORDERS, FIRST, DAYS[2])


def test_an_order_is_looked_up_with_the_load_that_brought_it(
    connection: "psycopg.Connection[Any]", pipeline: BatchPipeline, store_orders: StoreOrders
) -> None:
    store_orders(FIRST, 2, 40)
    pipeline.load_orders(FIRST)
    order_ids = [found for (found,) in connection.execute("select order_id from orders order by created_date")]
    loaded, waiting = pipeline.look_up([order_ids[0], "unknown", order_ids[-1]])
    assert (loaded.order_id, loaded.business_date) == (order_ids[0], FIRST)
    assert loaded.loaded_at is not None
    assert loaded.row is not None
    assert loaded.row.keys() == {column.name for column in ORDERS.columns}
    assert (waiting.order_id, waiting.business_date) == (order_ids[-1], DAYS[1])
    assert (waiting.loaded_at, waiting.row) == (None, None)


def test_a_missing_staged_file_is_not_reported_as_a_row_that_does_not_fit(
    settings: BatchSettings,
    connection: "psycopg.Connection[Any]",
    warehouse: DuckDbWarehouse,
    store_orders: StoreOrders,
) -> None:
    store_orders(FIRST, 1, 20)
    (orders,) = extract(connection, [(ORDERS, Partition.of(ORDERS, FIRST))], settings.staging)
    orders.discard()
    with pytest.raises(WarehouseError, match=r"raw\.orders is unchanged, its staged file .* cannot be read"):
        load(warehouse, LoadLedger(connection, warehouse.name), [orders])


def test_two_loads_of_a_date_at_once_do_not_disturb_each_other(
    settings: BatchSettings, pipeline: BatchPipeline, store_orders: StoreOrders
) -> None:
    store_orders(FIRST, 1, 400)

    def load_repeatedly() -> list[dict[str, int]]:
        with open_pipeline(settings) as own:
            return [own.load_orders(FIRST) for _ in range(5)]

    with ThreadPoolExecutor(2) as threads:
        counts = [count for each in [threads.submit(load_repeatedly) for _ in range(2)] for count in each.result()]
    assert [count["orders"] for count in counts] == [400] * 10
    assert dates_to_load(pipeline, FIRST, FIRST) == []


def test_files_of_a_load_are_gone_after_it(
    settings: BatchSettings, pipeline: BatchPipeline, store_orders: StoreOrders
) -> None:
    store_orders(FIRST, 1, 20)
    pipeline.load_orders(FIRST)
    assert not [path for path in settings.staging.rglob("*") if path.is_file()]
