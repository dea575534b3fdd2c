"""What every warehouse does: DuckDB, and BigQuery by Google's client against the fake."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pyarrow as pa
import pytest

from order_batch.warehouse.duckdb import DuckDbWarehouse
from order_batch.warehouse.erasure import ORDER_VALUES, USER_VALUES
from order_batch.warehouse.models import BuiltModel
from order_batch.warehouse.partitions import Partition, Totals
from order_batch.warehouse.port import Warehouse, WarehouseError
from order_batch.warehouse.staged_files import arrow_schema
from order_batch.warehouse.tables import ORDERS, PRODUCTS, RULE_HITS, TABLES, USERS, Table
from tests.bigquery.warehouse import connected
from tests.content_hash import content_hash
from tests.fake_bigquery.server import FakeBigQuery, serving
from tests.fake_bigquery.storage import StoredTable
from tests.staged import NOVEMBER_20, NOVEMBER_21, make_row, make_rows, partition, stage, totals

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


class Subject(Protocol):
    """A warehouse, and a hand in what it holds."""

    warehouse: Warehouse

    def raw_rows(self, table: Table) -> list[dict[str, Any]]: ...
    def drop_column(self, table: Table, name: str) -> None: ...
    def make_mart(
        self, name: str, columns: Mapping[str, str], rows: Sequence[tuple[Any, ...]], kind: str, layer: str = "gold"
    ) -> None: ...


class DuckDbSubject:
    _TYPES: Mapping[str, str] = {
        "STRING": "varchar", "INT64": "bigint", "NUMERIC": "decimal(38, 9)", "FLOAT64": "double", "BOOL": "boolean",
        "DATE": "date", "TIMESTAMP": "timestamptz", "DATETIME": "timestamp",
    }  # fmt: skip

    def __init__(self, path: Path) -> None:
        self._path = path
        self.warehouse: Warehouse = DuckDbWarehouse(path)

    def raw_rows(self, table: Table) -> list[dict[str, Any]]:
        with duckdb.connect(self._path) as connection:
            names = [column.name for column in table.columns]
            found = connection.execute(f"select {', '.join(names)} from raw.{table.name}").fetchall()
            return [dict(zip(names, row, strict=True)) for row in found]

    def drop_column(self, table: Table, name: str) -> None:
        with duckdb.connect(self._path) as connection:
            connection.execute(f"alter table raw.{table.name} drop column {name}")

    def make_mart(
        self, name: str, columns: Mapping[str, str], rows: Sequence[tuple[Any, ...]], kind: str, layer: str = "gold"
    ) -> None:
        with duckdb.connect(self._path) as connection:
            connection.execute(f"create schema if not exists {layer}")
            definitions = ", ".join(f"{column} {self._TYPES[kind]}" for column, kind in columns.items())
            connection.execute(f"create table {layer}.{name}_rows ({definitions})")
            connection.executemany(f"insert into {layer}.{name}_rows values ({', '.join('?' * len(columns))})", rows)
            connection.execute(f"create {kind} {layer}.{name} as from {layer}.{name}_rows")


class BigQuerySubject:
    def __init__(self, fake: FakeBigQuery, warehouse: Warehouse) -> None:
        self._fake = fake
        self.warehouse = warehouse

    def raw_rows(self, table: Table) -> list[dict[str, Any]]:
        return self._fake.storage.table("orderwatch_raw", table.name).rows

    def drop_column(self, table: Table, name: str) -> None:
        stored = self._fake.storage.table("orderwatch_raw", table.name)
        stored.resource["schema"]["fields"] = [field for field in stored.fields if field["name"] != name]
        for row in stored.rows:
            del row[name]

    def make_mart(
        self, name: str, columns: Mapping[str, str], rows: Sequence[tuple[Any, ...]], kind: str, layer: str = "gold"
    ) -> None:
        reference = {"projectId": self._fake.project, "datasetId": f"orderwatch_{layer}", "tableId": name}
        fields = [{"name": column, "type": kind} for column, kind in columns.items()]
        resource = {"tableReference": reference, "schema": {"fields": fields}}
        self._fake.storage.insert_table(f"orderwatch_{layer}", resource)
        table: StoredTable = self._fake.storage.table(f"orderwatch_{layer}", name)
        table.resource["type"] = kind.upper()
        table.rows = [dict(zip(columns, row, strict=True)) for row in rows]


@pytest.fixture(params=["duckdb", "bigquery"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    with _duckdb(tmp_path) if request.param == "duckdb" else _bigquery() as subject:
        subject.warehouse.prepare()
        yield subject


@contextmanager
def _duckdb(folder: Path) -> Iterator[Subject]:
    yield DuckDbSubject(folder / "warehouse.duckdb")


@contextmanager
def _bigquery() -> Iterator[Subject]:
    with serving(FakeBigQuery()) as fake, connected(fake) as warehouse:
        # Small answers, so that tables take several.
        fake.calls.page_size = 2
        yield BigQuerySubject(fake, warehouse)
    assert fake.violations == []


def _load(subject: Subject, folder: Path, table: Table, day: date, *files: list[dict[str, Any]]) -> None:
    rows = [row for file in files for row in file]
    subject.warehouse.load(table, partition(table, day), stage(table, folder, *files), totals(table, rows))


def _held(subject: Subject, table: Table, day: date) -> tuple[int, int | None]:
    """Rows and amount of a partition, whose hash is that of the rows that are there."""
    wanted = partition(table, day)
    held = subject.warehouse.totals(table, wanted.start, wanted.last).get(wanted, Totals.empty(table))
    rows = [row for row in subject.raw_rows(table) if partition(table, row[table.partition_column]) == wanted]
    assert held.content_hash == content_hash(table, rows)
    return held.rows, held.amount


@pytest.mark.parametrize("columns", [("features",), ("source_topic", "source_epoch", "features")], ids=len)
def test_columns_of_a_later_release_are_null_until_the_date_is_loaded_again(
    subject: Subject, tmp_path: Path, columns: tuple[str, ...]
) -> None:
    rows = make_rows(ORDERS, NOVEMBER_21, 2)
    _load(subject, tmp_path, ORDERS, NOVEMBER_21, rows)
    for column in columns:
        subject.drop_column(ORDERS, column)
    subject.warehouse.prepare()
    assert all(row.get(column) is None for row in subject.raw_rows(ORDERS) for column in columns)
    _load(subject, tmp_path, ORDERS, NOVEMBER_21, rows)
    assert [row[column] for row in subject.raw_rows(ORDERS) for column in columns] == [
        row[column] for row in rows for column in columns
    ]


def test_a_partition_that_was_never_loaded_is_empty(subject: Subject) -> None:
    assert _held(subject, ORDERS, NOVEMBER_21) == (0, 0)
    assert _held(subject, USERS, NOVEMBER_21) == (0, None)


def test_preparing_again_keeps_what_is_there(subject: Subject, tmp_path: Path) -> None:
    _load(subject, tmp_path, ORDERS, NOVEMBER_21, make_rows(ORDERS, NOVEMBER_21, 3))
    subject.warehouse.prepare()
    assert _held(subject, ORDERS, NOVEMBER_21) == (3, 3)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_rows_arrive_as_they_are(subject: Subject, tmp_path: Path, table: Table) -> None:
    row = make_row(table, NOVEMBER_21, 7)
    optional: dict[str, Any] = {column.name: None for column in table.columns if not column.required}
    _load(subject, tmp_path, table, NOVEMBER_21, [row, make_row(table, NOVEMBER_21, 8, **optional)])
    first, second = sorted(subject.raw_rows(table), key=lambda each: str(each[table.columns[1].name]))
    assert first == row
    assert {name: second[name] for name in optional} == optional


def test_text_and_the_largest_amounts_survive(subject: Subject, tmp_path: Path) -> None:
    values: dict[str, Any] = {"order_id": "o-\"'\\\n\t😀 é", "attributes": '{"a": "\\n"}', "amount": 10**15}
    _load(subject, tmp_path, ORDERS, NOVEMBER_21, [make_row(ORDERS, NOVEMBER_21, **values)])
    (found,) = subject.raw_rows(ORDERS)
    assert {name: found[name] for name in values} == values


def test_sums_go_beyond_64_bits(subject: Subject, tmp_path: Path) -> None:
    rows = make_rows(PRODUCTS, NOVEMBER_21, 20, price=2**62)
    _load(subject, tmp_path, PRODUCTS, NOVEMBER_21, rows)
    assert _held(subject, PRODUCTS, NOVEMBER_21) == (20, 20 * 2**62)


def test_several_files_are_one_partition(subject: Subject, tmp_path: Path) -> None:
    rows = make_rows(ORDERS, NOVEMBER_21, 10)
    _load(subject, tmp_path, ORDERS, NOVEMBER_21, rows[:4], rows[4:5], rows[5:])
    assert _held(subject, ORDERS, NOVEMBER_21) == (10, 45)


def test_loading_again_changes_nothing(subject: Subject, tmp_path: Path) -> None:
    for _ in range(3):
        _load(subject, tmp_path, RULE_HITS, NOVEMBER_21, make_rows(RULE_HITS, NOVEMBER_21, 5))
    assert _held(subject, RULE_HITS, NOVEMBER_21) == (5, 10)


def test_what_was_loaded_before_something_else_can_be_loaded_again(subject: Subject, tmp_path: Path) -> None:
    for status in ("fraud", "genuine", "fraud"):
        _load(subject, tmp_path, ORDERS, NOVEMBER_21, make_rows(ORDERS, NOVEMBER_21, 2, status=status))
    assert [row["status"] for row in subject.raw_rows(ORDERS)] == ["fraud", "fraud"]


def test_other_partitions_stay(subject: Subject, tmp_path: Path) -> None:
    _load(subject, tmp_path, ORDERS, NOVEMBER_20, make_rows(ORDERS, NOVEMBER_20, 2))
    _load(subject, tmp_path, ORDERS, NOVEMBER_21, make_rows(ORDERS, NOVEMBER_21, 5))
    _load(subject, tmp_path, ORDERS, NOVEMBER_21, make_rows(ORDERS, NOVEMBER_21, 1))
    assert _held(subject, ORDERS, NOVEMBER_20) == (2, 1)
    assert _held(subject, ORDERS, NOVEMBER_21) == (1, 0)


def test_a_month_is_one_partition(subject: Subject, tmp_path: Path) -> None:
    first, last, next_month = date(2026, 11, 1), date(2026, 11, 30), date(2026, 12, 1)
    _load(subject, tmp_path, USERS, next_month, make_rows(USERS, next_month, 1))
    _load(subject, tmp_path, USERS, last, make_rows(USERS, first, 2), make_rows(USERS, last, 3))
    assert _held(subject, USERS, NOVEMBER_21) == (5, None)
    assert _held(subject, USERS, next_month) == (1, None)


def test_no_files_empty_the_partition(subject: Subject, tmp_path: Path) -> None:
    _load(subject, tmp_path, ORDERS, NOVEMBER_20, make_rows(ORDERS, NOVEMBER_20, 2))
    _load(subject, tmp_path, ORDERS, NOVEMBER_21, make_rows(ORDERS, NOVEMBER_21, 2))
    for _ in range(2):
        _load(subject, tmp_path, ORDERS, NOVEMBER_21)
        assert _held(subject, ORDERS, NOVEMBER_21) == (0, 0)
    assert _held(subject, ORDERS, NOVEMBER_20) == (2, 1)


def test_a_file_without_rows_empties_it_too(subject: Subject, tmp_path: Path) -> None:
    _load(subject, tmp_path, ORDERS, NOVEMBER_21, make_rows(ORDERS, NOVEMBER_21, 2))
    _load(subject, tmp_path, ORDERS, NOVEMBER_21, [])
    assert _held(subject, ORDERS, NOVEMBER_21) == (0, 0)


def _altered(name: str, field: pa.Field | None) -> pa.Schema:
    """The schema of orders with another column in place of one, or without it."""
    schema = arrow_schema(ORDERS)
    place = schema.get_field_index(name)
    return schema.remove(place) if field is None else schema.set(place, field)


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        (_altered("amount", pa.field("amount", pa.string(), nullable=False)), "column amount is string not null there"),
        (_altered("amount", pa.field("amount", pa.int32(), nullable=False)), "int32 not null there, int64 not null"),
        (_altered("amount", pa.field("amount", pa.int64())), "column amount is int64 there, int64 not null here"),
        (_altered("created_date", pa.field("created_date", pa.timestamp("us"))), "created_date"),
        (_altered("order_id", None), "column order_id is missing there"),
        (arrow_schema(ORDERS).append(pa.field("colour", pa.string())), "column colour is string there, unknown here"),
    ],
    ids=["text", "narrow", "nullable", "no zone", "missing", "more"],
)
def test_a_file_of_another_schema_refuses_the_load(
    subject: Subject, tmp_path: Path, schema: pa.Schema, named: str
) -> None:
    _load(subject, tmp_path / "before", ORDERS, NOVEMBER_21, make_rows(ORDERS, NOVEMBER_21, 2))
    row = dict.fromkeys(schema.names) | make_row(ORDERS, NOVEMBER_21)
    if schema.field("amount").type == pa.string():
        row["amount"] = "10"
    files = stage(ORDERS, tmp_path, [{name: row[name] for name in schema.names}], schema=schema)
    with pytest.raises(WarehouseError, match=named):
        subject.warehouse.load(ORDERS, partition(ORDERS), files, Totals(1, 0, 0))
    assert _held(subject, ORDERS, NOVEMBER_21) == (2, 1)


def test_a_file_that_cannot_be_read_refuses_the_load(subject: Subject, tmp_path: Path) -> None:
    good, cut = stage(ORDERS, tmp_path, make_rows(ORDERS, NOVEMBER_21, 2), make_rows(ORDERS, NOVEMBER_21, 2))
    cut.write_bytes(cut.read_bytes()[:-20])
    missing = tmp_path / "0002.parquet"
    for each in (cut, missing):
        with pytest.raises(WarehouseError, match=rf"unchanged, its staged file {each} cannot be read"):
            subject.warehouse.load(ORDERS, partition(ORDERS), [good, each], Totals(4, 2, 0))
    assert _held(subject, ORDERS, NOVEMBER_21) == (0, 0)


@pytest.mark.parametrize("quantity", [2**53 + 1, 2**63 - 1], ids=str)
def test_integers_stay_exact_up_to_64_bits(subject: Subject, tmp_path: Path, quantity: int) -> None:
    _load(subject, tmp_path, ORDERS, NOVEMBER_21, [make_row(ORDERS, NOVEMBER_21, quantity=quantity)])
    assert [row["quantity"] for row in subject.raw_rows(ORDERS)] == [quantity]


def test_a_row_of_another_date_refuses_the_load(subject: Subject, tmp_path: Path) -> None:
    rows = [*make_rows(ORDERS, NOVEMBER_21, 2), make_row(ORDERS, NOVEMBER_20, 5)]
    with pytest.raises(WarehouseError):
        subject.warehouse.load(ORDERS, partition(ORDERS), stage(ORDERS, tmp_path, rows), Totals(2, 1, 0))
    assert subject.raw_rows(ORDERS) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rows": 3}, "3 rows in Postgres, 2 in the warehouse"),
        ({"rows": 1}, "1 rows in Postgres, 2 in the warehouse"),
        ({"amount": 2}, "amounts sum to 2 in Postgres, to 1 in the warehouse"),
        ({"content_hash": 0}, "2 rows with other values in Postgres than in the warehouse"),
    ],
    ids=str,
)
def test_a_difference_to_what_was_expected_is_refused(
    subject: Subject, tmp_path: Path, change: dict[str, int], said: str
) -> None:
    rows = make_rows(ORDERS, NOVEMBER_21, 2)
    expected = replace(totals(ORDERS, rows), **change)
    with pytest.raises(WarehouseError, match=f"{said}.*again"):
        subject.warehouse.load(ORDERS, partition(ORDERS), stage(ORDERS, tmp_path, rows), expected)


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
    _load(subject, tmp_path, ORDERS, NOVEMBER_21, make_rows(ORDERS, NOVEMBER_21, 2))
    before = subject.warehouse.totals(ORDERS, NOVEMBER_21, NOVEMBER_21)
    changed = [make_row(ORDERS, NOVEMBER_21, 0, **values), make_row(ORDERS, NOVEMBER_21, 1)]
    _load(subject, tmp_path, ORDERS, NOVEMBER_21, changed)
    assert _held(subject, ORDERS, NOVEMBER_21)[0] == 2
    assert subject.warehouse.totals(ORDERS, NOVEMBER_21, NOVEMBER_21) != before


@pytest.mark.parametrize("kind", ["table", "view"])
def test_a_mart_is_read_with_its_types(subject: Subject, kind: str) -> None:
    subject.make_mart("mart", _MART, _MART_ROWS, kind)
    with subject.warehouse.gold("mart") as relation:
        columns, rows = list(relation.columns), list(relation.rows())
    assert columns == list(zip(_MART, _MART_TYPES, strict=True))
    assert rows == _MART_ROWS


def test_orders_are_found_by_date_and_id(subject: Subject, tmp_path: Path) -> None:
    rows = make_rows(ORDERS, NOVEMBER_21, 5)
    _load(subject, tmp_path, ORDERS, NOVEMBER_21, rows)
    wanted = [rows[1]["order_id"], rows[3]["order_id"], "' or true --"]
    found = sorted(subject.warehouse.orders(NOVEMBER_21, wanted), key=lambda row: str(row["order_id"]))
    assert found == [rows[1], rows[3]]
    assert subject.warehouse.orders(NOVEMBER_20, wanted) == []
    assert subject.warehouse.orders(NOVEMBER_21, []) == []


@pytest.mark.parametrize("kind", ["table", "view"])
def test_the_first_rows_of_a_mart_in_an_order(subject: Subject, kind: str) -> None:
    subject.make_mart("mart", {"a": "STRING", "n": "INT64"}, [("c", 1), ("a", 2), ("b", 2), ("d", 3)], kind)
    with subject.warehouse.gold("mart", ["n desc", "a"], 3) as relation:
        assert list(relation.rows()) == [("d", 3), ("a", 2), ("b", 2)]


def test_a_mart_that_is_not_there_says_what_makes_it(subject: Subject) -> None:
    with pytest.raises(WarehouseError, match=r"gold\.nothing.*run dbt"), subject.warehouse.gold("nothing"):
        pass


def test_the_name_tells_warehouses_apart(subject: Subject) -> None:
    assert subject.warehouse.name.startswith(("duckdb:/", "bigquery:test-project.orderwatch_"))


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
    _load(subject, tmp_path, ORDERS, NOVEMBER_21, make_rows(ORDERS, NOVEMBER_21, 1))
    assert subject.warehouse.dates_only_built() == [NOVEMBER_20]


def test_an_erased_user_is_replaced_everywhere_and_others_stay(subject: Subject, tmp_path: Path) -> None:
    for day in (NOVEMBER_20, NOVEMBER_21):
        for table in (ORDERS, RULE_HITS, USERS):
            rows = make_rows(table, day, 2) if day == NOVEMBER_21 or table is not USERS else []
            if table is not RULE_HITS:
                rows = [{**row, "user_id": f"U{number}"} for number, row in enumerate(rows)]
            if rows:
                _load(subject, tmp_path / f"{table.name}{day}", table, day, rows)
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
