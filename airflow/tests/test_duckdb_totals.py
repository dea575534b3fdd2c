"""Totals of raw rows in a DuckDB file: content is hashed again where rows are others than the last time."""

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from order_batch.warehouse.duckdb import DuckDbWarehouse
from order_batch.warehouse.duckdb_totals import DuckDbTotals
from order_batch.warehouse.tables import PRODUCTS

FIRST = date(2026, 10, 30)
LAST = FIRST + timedelta(days=3)


@pytest.mark.parametrize(
    "change",
    [
        "update raw.products set price = price + 1 where product_id = 'p3'",
        "update raw.products set product_name = null where product_id = 'p1'",
        "update raw.products set product_name = category, category = product_name where product_id = 'p1'",
        "insert into raw.products from raw.products limit 1",
        "insert into raw.products select products.* from raw.products, range(2) where product_id = 'p1'",
        "delete from raw.products where product_id in ('p0', 'p1')",
        "update raw.products set changed_date = '2026-12-01' where product_id = 'p2'",
        "delete from raw.products",
    ],
)
def test_rows_that_changed_are_hashed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    path = tmp_path / "warehouse.duckdb"
    warehouse = DuckDbWarehouse(path)
    warehouse.prepare()
    with duckdb.connect(path) as connection:
        # Not null columns would refuse what is to be noticed.
        connection.execute("alter table raw.products alter product_name drop not null")
        connection.execute(
            "insert into raw.products by name select date '2026-10-30' + range::int as changed_date, 'p' || range as "
            "product_id, now() as valid_from, 'name' as product_name, 'kind' as category, range as price, "
            "now() as created_date from range(4)"
        )
    before = warehouse.totals(PRODUCTS, FIRST, LAST)
    assert [totals.rows for totals in before.values()] == [2, 2]
    with monkeypatch.context() as unchanged:
        unchanged.setattr(DuckDbTotals, "hash", None)
        assert warehouse.totals(PRODUCTS, FIRST, LAST) == before
    with duckdb.connect(path) as connection:
        connection.execute(change)
    # Another process knows nothing.
    assert warehouse.totals(PRODUCTS, FIRST, LAST) == DuckDbWarehouse(path).totals(PRODUCTS, FIRST, LAST) != before
