"""What every warehouse says about dbt's models: marts with types and order, versions, dates that were built."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from order_batch.warehouse.models import BuiltModel
from order_batch.warehouse.partitions import Totals
from order_batch.warehouse.port import WarehouseError
from order_batch.warehouse.tables import ORDERS, USERS
from tests.staged import NOVEMBER_20, NOVEMBER_21, make_rows, partition

from .subjects import Subject, load

_MART = {
    "city": "STRING", "orders": "INT64", "revenue": "NUMERIC", "share": "FLOAT64", "blacklisted": "BOOL",
    "day": "DATE", "last_order": "TIMESTAMP", "local": "DATETIME",
}  # fmt: skip
_MART_TYPES = ["text", "bigint", "numeric", "double precision", "boolean", "date", "timestamptz", "timestamp"]
_MOMENT = datetime(2026, 11, 21, 1, 2, 3, 4, UTC)
_MART_ROWS: list[tuple[Any, ...]] = [
    ("Bandung", 2**62, Decimal("1234567890123.25"), 0.125, True, NOVEMBER_21, _MOMENT, datetime(2026, 11, 21, 8, 2)),  # noqa: DTZ001
    ("Yogyakarta 🏯 \"'\n", 0, Decimal(0), 1e-9, False, NOVEMBER_20, datetime(1970, 1, 1, tzinfo=UTC), None),
    (None,) * 8,
]


@pytest.mark.parametrize("kind", ["table", "view"])
def test_a_mart_is_read_with_its_types(subject: Subject, kind: str) -> None:
    subject.make_mart("mart", _MART, _MART_ROWS, kind)
    with subject.warehouse.gold("mart") as relation:
        columns, rows = list(relation.columns), list(relation.rows())
    assert columns == list(zip(_MART, _MART_TYPES, strict=True))
    assert rows == _MART_ROWS


@pytest.mark.parametrize("kind", ["table", "view"])
def test_the_first_rows_of_a_mart_in_an_order(subject: Subject, kind: str) -> None:
    subject.make_mart("mart", {"a": "STRING", "n": "INT64"}, [("c", 1), ("a", 2), ("b", 2), ("d", 3)], kind)
    with subject.warehouse.gold("mart", ["n desc", "a"], 3) as relation:
        assert list(relation.rows()) == [("d", 3), ("a", 2), ("b", 2)]


@pytest.mark.parametrize("kind", ["table", "view"])
def test_rows_of_some_dates_in_an_order(subject: Subject, kind: str) -> None:
    rows = [(NOVEMBER_20, "c", 1), (NOVEMBER_21, "a", 2), (date(2026, 11, 22), "b", 2), (NOVEMBER_20, "d", 3)]
    subject.make_mart("by_date", {"business_date": "DATE", "a": "STRING", "n": "INT64"}, rows, kind, "silver")
    with subject.warehouse.of_dates("by_date", [NOVEMBER_20, NOVEMBER_21], ["n desc", "a"]) as relation:
        assert list(relation.rows()) == [rows[3], rows[1], rows[0]]
    with pytest.raises(WarehouseError, match=r"silver\.nothing.*run dbt"):
        subject.warehouse.of_dates("nothing", [NOVEMBER_20], []).__enter__()


def test_a_mart_that_is_not_there_says_what_makes_it(subject: Subject) -> None:
    with pytest.raises(WarehouseError, match=r"gold\.nothing.*run dbt"), subject.warehouse.gold("nothing"):
        pass


def test_models_have_the_version_that_was_recorded_last(subject: Subject) -> None:
    assert subject.warehouse.models() == []
    subject.make_mart("fct_orders", {"business_date": "DATE"}, [(NOVEMBER_21,)], "table", "silver")
    subject.make_mart("bronze_orders", {"business_date": "DATE"}, [(NOVEMBER_21,)], "view", "bronze")
    subject.make_mart("mart_new", {"day": "DATE"}, [(NOVEMBER_21,)], "table")
    subject.make_mart("of_an_analyst", {"day": "DATE"}, [(NOVEMBER_21,)], "table")
    # Those of a release that recorded no versions are known by their names.
    assert subject.warehouse.models() == [
        BuiltModel("bronze", "bronze_orders", is_view=True, version=None),
        BuiltModel("silver", "fct_orders", is_view=False, version=None),
    ]
    subject.warehouse.record_models({"fct_orders": "1", "bronze_orders": "1", "mart_new": "7", "not_built": "1"})
    subject.warehouse.record_models({"fct_orders": "2"})
    assert [(model.name, model.version) for model in subject.warehouse.models()] == [
        ("bronze_orders", "1"), ("mart_new", "7"), ("fct_orders", "2"),
    ]  # fmt: skip


def test_dropped_models_are_gone_and_others_stay(subject: Subject) -> None:
    subject.make_mart("bronze_orders", {"business_date": "DATE"}, [(NOVEMBER_21,)], "view", "bronze")
    for name in ("mart_old", "mart_new"):
        subject.make_mart(name, {"day": "DATE"}, [(NOVEMBER_21,)], "table")
    subject.warehouse.record_models({"mart_old": "1", "mart_new": "1"})
    bronze, new, old = subject.warehouse.models()
    subject.warehouse.drop_models([bronze, old])
    subject.warehouse.drop_models([bronze])
    assert subject.warehouse.models() == [new]


def test_dates_that_are_built_and_not_loaded_are_found(subject: Subject, tmp_path: Path) -> None:
    assert subject.warehouse.dates_only_built() == []
    rows = [(NOVEMBER_21,), (NOVEMBER_20,), (NOVEMBER_20,)]
    subject.make_mart("fct_orders", {"business_date": "DATE"}, rows, "table", "silver")
    assert subject.warehouse.dates_only_built() == [NOVEMBER_20, NOVEMBER_21]
    load(subject, tmp_path, ORDERS, NOVEMBER_21, make_rows(ORDERS, NOVEMBER_21, 1))
    assert subject.warehouse.dates_only_built() == [NOVEMBER_20]


def test_dates_whose_build_did_not_finish_are_found(subject: Subject) -> None:
    assert subject.warehouse.unfinished_dates() == []
    rows = [(NOVEMBER_21,), (NOVEMBER_20,), (NOVEMBER_20,)]
    subject.make_mart("agg_daily_payment_hour_orders", {"business_date": "DATE"}, rows, "table", "silver")
    subject.make_mart("built_dates", {"business_date": "DATE"}, [(NOVEMBER_21,)], "table", "silver")
    assert subject.warehouse.unfinished_dates() == [NOVEMBER_20]


def test_what_dbt_built_is_read_by_table_and_partition(subject: Subject) -> None:
    assert subject.warehouse.built_contents(ORDERS, NOVEMBER_20, NOVEMBER_21) == {}
    assert subject.warehouse.built_partitions() == []
    columns = {"table_name": "STRING", "partition_start": "DATE", "total_rows": "INT64", "content_hash": "INT64"}
    finished = [("orders", NOVEMBER_20, 2, 5), ("users", date(2026, 11, 1), 3, 6)]
    subject.make_mart("built_partitions", columns, finished, "view", "silver")
    contents = [
        ("orders", NOVEMBER_20, 2, 5, str(2**64), True), ("orders", NOVEMBER_21, 2, 5, "7", False),
        ("users", date(2026, 11, 1), 3, 6, None, True),
    ]  # fmt: skip
    more = {"amount": "STRING", "is_complete": "BOOL"}
    subject.make_mart("built_contents", columns | more, contents, "view", "silver")
    assert subject.warehouse.built_partitions() == finished
    assert subject.warehouse.built_contents(ORDERS, NOVEMBER_20, NOVEMBER_21) == {
        partition(ORDERS, NOVEMBER_20): Totals(2, 2**64, 5), partition(ORDERS, NOVEMBER_21): None,
    }  # fmt: skip
    assert subject.warehouse.built_contents(ORDERS, NOVEMBER_21, NOVEMBER_21).keys() == {partition(ORDERS)}
    (month,) = subject.warehouse.built_contents(USERS, date(2026, 11, 1), NOVEMBER_21).values()
    assert month == Totals(3, None, 6)
