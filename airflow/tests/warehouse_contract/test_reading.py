"""What every warehouse says about the raw tables: totals and hashes of partitions, and orders by id."""

from datetime import UTC, date, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from order_batch.export import ExportedDate, export_dates
from order_batch.warehouse.erasure import ORDER_VALUES, USER_VALUES
from order_batch.warehouse.partitions import Partition
from order_batch.warehouse.tables import ORDERS, RULE_HITS, USERS, Table
from tests.staged import NOVEMBER_20, NOVEMBER_21, make_row, make_rows, partition, stage, totals

from .subjects import Subject, held, load

_MOMENT = datetime(2026, 11, 21, 1, 2, 3, 4, UTC)


def test_the_name_tells_warehouses_apart(subject: Subject) -> None:
    assert subject.warehouse.name.startswith(("duckdb:/", "bigquery:test-project.orderwatch_"))


@pytest.mark.parametrize(("table", "spans"), [(ORDERS, 3), (USERS, 2)], ids=["days", "months"])
def test_partitions_are_counted_in_one_query(subject: Subject, tmp_path: Path, table: Table, spans: int) -> None:
    days = [date(2026, 11, 20), date(2026, 11, 21), date(2026, 12, 1)]
    by_partition: dict[Partition, list[dict[str, Any]]] = {}
    for number, day in enumerate(days, 1):
        by_partition.setdefault(partition(table, day), []).extend(make_rows(table, day, number))
    for each, rows in by_partition.items():
        subject.warehouse.load(table, each, stage(table, tmp_path, rows), totals(table, rows))
    held = subject.warehouse.totals(table, days[0], days[-1])
    assert len(held) == spans
    assert held == {each: totals(table, rows) for each, rows in by_partition.items()}
    counted = {each: len(rows) for each, rows in by_partition.items()}
    assert subject.warehouse.row_counts(table, days[0], days[-1]) == counted
    first = partition(table, days[0])
    assert subject.warehouse.totals(table, first.start, first.last) == {first: held[first]}
    of_a_day = [row for row in by_partition[first] if row[table.partition_column] == days[0]]
    assert subject.warehouse.totals(table, days[0], days[0]) == {first: totals(table, of_a_day)}


@pytest.mark.parametrize(
    "values",
    [
        {"user_id": "\x1b\x07'\"\\ 🤦🏼‍♂️\n"}, {"device_id": None, "ip_address": None}, {"amount": 2**63 - 1},
        {"created_date": datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)}, {"account_created_date": _MOMENT},
    ],
    ids=str,
)  # fmt: skip
def test_the_hash_is_about_every_column(subject: Subject, tmp_path: Path, values: dict[str, Any]) -> None:
    load(subject, tmp_path, ORDERS, NOVEMBER_21, make_rows(ORDERS, NOVEMBER_21, 2))
    before = subject.warehouse.totals(ORDERS, NOVEMBER_21, NOVEMBER_21)
    changed = [make_row(ORDERS, NOVEMBER_21, 0, **values), make_row(ORDERS, NOVEMBER_21, 1)]
    load(subject, tmp_path, ORDERS, NOVEMBER_21, changed)
    assert held(subject, ORDERS, NOVEMBER_21)[0] == 2
    assert subject.warehouse.totals(ORDERS, NOVEMBER_21, NOVEMBER_21) != before


def test_orders_are_found_by_date_and_id(subject: Subject, tmp_path: Path) -> None:
    rows = make_rows(ORDERS, NOVEMBER_21, 5)
    load(subject, tmp_path, ORDERS, NOVEMBER_21, rows)
    wanted = [rows[1]["order_id"], rows[3]["order_id"], "' or true --"]
    found = sorted(subject.warehouse.orders(NOVEMBER_21, wanted), key=lambda row: str(row["order_id"]))
    content = [column.name for column in ORDERS.columns]
    assert found == [{name: row[name] for name in content} for row in (rows[1], rows[3])]
    assert subject.warehouse.orders(NOVEMBER_20, wanted) == []
    assert subject.warehouse.orders(NOVEMBER_21, []) == []


def test_dates_are_exported_as_they_are_held(subject: Subject, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    for day, orders, hits in ((NOVEMBER_20, 3, 0), (NOVEMBER_21, 2, 4)):
        load(subject, tmp_path / f"o{day}", ORDERS, day, make_rows(ORDERS, day, orders))
        load(subject, tmp_path / f"h{day}", RULE_HITS, day, make_rows(RULE_HITS, day, hits))
    days = [NOVEMBER_20, NOVEMBER_21, date(2026, 11, 22)]
    expected = [ExportedDate(days[0], 3, 0), ExportedDate(days[1], 2, 4), ExportedDate(days[2], 0, 0)]
    assert list(export_dates(subject.warehouse, days, folder)) == expected
    load(subject, tmp_path / "fewer", ORDERS, NOVEMBER_20, make_rows(ORDERS, NOVEMBER_20, 1))
    load(subject, tmp_path / "none", RULE_HITS, NOVEMBER_21, [])
    # What was exported before is replaced, and removed where there is nothing any more.
    expected = [ExportedDate(days[0], 1, 0), ExportedDate(days[1], 2, 0), ExportedDate(days[2], 0, 0)]
    assert list(export_dates(subject.warehouse, days, folder)) == expected
    written = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*"))
    assert written == ["orders/2026-11-20.parquet", "orders/2026-11-21.parquet"]
    rows = [row for name in written for row in pq.read_table(folder / name).to_pylist()]
    key = itemgetter("business_date", "order_id")
    assert sorted(rows, key=key) == sorted(subject.raw_rows(ORDERS), key=key)


def test_an_erased_user_is_replaced_everywhere_and_others_stay(subject: Subject, tmp_path: Path) -> None:
    for day in (NOVEMBER_20, NOVEMBER_21):
        for table in (ORDERS, RULE_HITS, USERS):
            rows = make_rows(table, day, 2) if day == NOVEMBER_21 or table is not USERS else []
            if table is not RULE_HITS:
                rows = [{**row, "user_id": f"U{number}"} for number, row in enumerate(rows)]
            if rows:
                load(subject, tmp_path / f"{table.name}{day}", table, day, rows)
    kept = {table: [row for row in subject.raw_rows(table) if row.get("user_id") == "U0"] for table in (ORDERS, USERS)}
    theirs = {row["order_id"] for row in subject.raw_rows(ORDERS) if row["user_id"] == "U1"}
    assert set(subject.warehouse.order_ids_of("U1")) == theirs
    for _ in range(2):  # a repeat changes nothing
        subject.warehouse.erase_user("U1", "erased-1")
        for table, values in ((ORDERS, ORDER_VALUES), (USERS, USER_VALUES)):
            rows = subject.raw_rows(table)
            erased = [row for row in rows if row["user_id"] == "erased-1"]
            assert len(erased) == (2 if table is ORDERS else 1)
            assert all(row[name] == value for row in erased for name, value in values.items())
            assert [row for row in rows if row["user_id"] == "U0"] == kept[table]
            assert len(rows) == len(erased) + len(kept[table])
        of_user = {row["order_id"] for row in subject.raw_rows(ORDERS) if row["user_id"] == "erased-1"}
        reasons = {row["reason"] == "erased" for row in subject.raw_rows(RULE_HITS) if row["order_id"] in of_user}
        assert reasons == {True}
