"""A load, in every warehouse: rows arrive as they are, and a partition is replaced as a whole."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from order_batch.warehouse.tables import ORDERS, PRODUCTS, RULE_HITS, TABLES, USERS, Table
from tests.staged import NOVEMBER_20, NOVEMBER_21, make_row, make_rows

from .subjects import Subject, held, load

_ADDED = ("source_topic", "source_epoch", "features", "seen", "lists_seen", "row_hash")


@pytest.mark.parametrize("columns", [_ADDED[-3:], _ADDED], ids=len)
def test_columns_of_a_later_release_are_null_until_the_date_is_loaded_again(
    subject: Subject, tmp_path: Path, columns: tuple[str, ...]
) -> None:
    rows = make_rows(ORDERS, NOVEMBER_21, 2)
    load(subject, tmp_path, ORDERS, NOVEMBER_21, rows)
    for column in columns:
        subject.drop_column(ORDERS, column)
    subject.warehouse.prepare()
    assert all(row.get(column) is None for row in subject.raw_rows(ORDERS) for column in columns)
    load(subject, tmp_path, ORDERS, NOVEMBER_21, rows)
    assert [row[column] for row in subject.raw_rows(ORDERS) for column in columns] == [
        row[column] for row in rows for column in columns
    ]


def test_a_partition_that_was_never_loaded_is_empty(subject: Subject) -> None:
    assert held(subject, ORDERS, NOVEMBER_21) == (0, 0)
    assert held(subject, USERS, NOVEMBER_21) == (0, None)


def test_preparing_again_keeps_what_is_there(subject: Subject, tmp_path: Path) -> None:
    load(subject, tmp_path, ORDERS, NOVEMBER_21, make_rows(ORDERS, NOVEMBER_21, 3))
    subject.warehouse.prepare()
    assert held(subject, ORDERS, NOVEMBER_21) == (3, 3)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_rows_arrive_as_they_are(subject: Subject, tmp_path: Path, table: Table) -> None:
    row = make_row(table, NOVEMBER_21, 7)
    optional: dict[str, Any] = {column.name: None for column in table.stored_columns if not column.required}
    load(subject, tmp_path, table, NOVEMBER_21, [row, make_row(table, NOVEMBER_21, 8, **optional)])
    first, second = sorted(subject.raw_rows(table), key=lambda each: str(each[table.columns[1].name]))
    assert first == row
    assert {name: second[name] for name in optional} == optional


def test_text_and_the_largest_amounts_survive(subject: Subject, tmp_path: Path) -> None:
    values: dict[str, Any] = {"order_id": "o-\"'\\\n\t😀 é", "attributes": '{"a": "\\n"}', "amount": 10**15}
    load(subject, tmp_path, ORDERS, NOVEMBER_21, [make_row(ORDERS, NOVEMBER_21, **values)])
    (found,) = subject.raw_rows(ORDERS)
    assert {name: found[name] for name in values} == values


@pytest.mark.parametrize("quantity", [2**53 + 1, 2**63 - 1], ids=str)
def test_integers_stay_exact_up_to_64_bits(subject: Subject, tmp_path: Path, quantity: int) -> None:
    load(subject, tmp_path, ORDERS, NOVEMBER_21, [make_row(ORDERS, NOVEMBER_21, quantity=quantity)])
    assert [row["quantity"] for row in subject.raw_rows(ORDERS)] == [quantity]


def test_sums_go_beyond_64_bits(subject: Subject, tmp_path: Path) -> None:
    rows = make_rows(PRODUCTS, NOVEMBER_21, 20, price=2**62)
    load(subject, tmp_path, PRODUCTS, NOVEMBER_21, rows)
    assert held(subject, PRODUCTS, NOVEMBER_21) == (20, 20 * 2**62)


def test_several_files_are_one_partition(subject: Subject, tmp_path: Path) -> None:
    rows = make_rows(ORDERS, NOVEMBER_21, 10)
    load(subject, tmp_path, ORDERS, NOVEMBER_21, rows[:4], rows[4:5], rows[5:])
    assert held(subject, ORDERS, NOVEMBER_21) == (10, 45)


def test_loading_again_changes_nothing(subject: Subject, tmp_path: Path) -> None:
    for _ in range(3):
        load(subject, tmp_path, RULE_HITS, NOVEMBER_21, make_rows(RULE_HITS, NOVEMBER_21, 5))
    assert held(subject, RULE_HITS, NOVEMBER_21) == (5, 10)


def test_what_was_loaded_before_something_else_can_be_loaded_again(subject: Subject, tmp_path: Path) -> None:
    for status in ("fraud", "genuine", "fraud"):
        load(subject, tmp_path, ORDERS, NOVEMBER_21, make_rows(ORDERS, NOVEMBER_21, 2, status=status))
    assert [row["status"] for row in subject.raw_rows(ORDERS)] == ["fraud", "fraud"]


def test_other_partitions_stay(subject: Subject, tmp_path: Path) -> None:
    load(subject, tmp_path, ORDERS, NOVEMBER_20, make_rows(ORDERS, NOVEMBER_20, 2))
    load(subject, tmp_path, ORDERS, NOVEMBER_21, make_rows(ORDERS, NOVEMBER_21, 5))
    load(subject, tmp_path, ORDERS, NOVEMBER_21, make_rows(ORDERS, NOVEMBER_21, 1))
    assert held(subject, ORDERS, NOVEMBER_20) == (2, 1)
    assert held(subject, ORDERS, NOVEMBER_21) == (1, 0)


def test_a_month_is_one_partition(subject: Subject, tmp_path: Path) -> None:
    first, last, next_month = date(2026, 11, 1), date(2026, 11, 30), date(2026, 12, 1)
    load(subject, tmp_path, USERS, next_month, make_rows(USERS, next_month, 1))
    load(subject, tmp_path, USERS, last, make_rows(USERS, first, 2), make_rows(USERS, last, 3))
    assert held(subject, USERS, NOVEMBER_21) == (5, None)
    assert held(subject, USERS, next_month) == (1, None)


def test_no_files_empty_the_partition(subject: Subject, tmp_path: Path) -> None:
    load(subject, tmp_path, ORDERS, NOVEMBER_20, make_rows(ORDERS, NOVEMBER_20, 2))
    load(subject, tmp_path, ORDERS, NOVEMBER_21, make_rows(ORDERS, NOVEMBER_21, 2))
    for _ in range(2):
        load(subject, tmp_path, ORDERS, NOVEMBER_21)
        assert held(subject, ORDERS, NOVEMBER_21) == (0, 0)
    assert held(subject, ORDERS, NOVEMBER_20) == (2, 1)


def test_a_file_without_rows_empties_it_too(subject: Subject, tmp_path: Path) -> None:
    load(subject, tmp_path, ORDERS, NOVEMBER_21, make_rows(ORDERS, NOVEMBER_21, 2))
    load(subject, tmp_path, ORDERS, NOVEMBER_21, [])
    assert held(subject, ORDERS, NOVEMBER_21) == (0, 0)
