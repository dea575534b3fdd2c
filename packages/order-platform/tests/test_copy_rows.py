"""Rows that compiled code encodes for a COPY are stored as those that asyncpg encodes, and are decoded as they were."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple

import asyncpg
import orjson
import pytest

from order_contract.decision import Outcome
from order_platform.postgres.copy_rows import ROWS_AT_ONCE, copy_rows

binary_rows = pytest.importorskip("order_platform.postgres.binary_rows", reason="there was no C compiler")

COLUMNS = {
    "words": "text", "document": "json", "small": "smallint", "middle": "integer", "large": "bigint",
    "moment": "timestamptz", "raw": "bytea", "list": "text[]",
}  # fmt: skip
NULLS = (None,) * len(COLUMNS)


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(database_url)
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    await connection.execute(f"create temporary table copied (place serial, {columns})")
    yield connection
    await connection.close()


def _moment(moment: datetime) -> tuple[Any, ...]:
    return (*NULLS[:5], moment, *NULLS[6:])


ROWS: list[tuple[Any, ...]] = [
    NULLS,
    ("", "{}", 0, 0, 0, datetime(2000, 1, 1, tzinfo=UTC), b"", []),
    (
        "Łódź 😀", '{"ä": "\\u0001"}', -(2**15), -(2**31), -(2**63),
        datetime(1999, 12, 31, 23, 59, 59, 999_999, UTC), b"\0", ["a"],
    ),
    (
        Outcome.REVIEW, "1", 2**15 - 1, 2**31 - 1, 2**63 - 1,
        datetime(1970, 1, 1, 0, 0, 0, 1, UTC), b"\xff" * 9, ["", "ß", "c,{}"],
    ),
    _moment(datetime(2, 1, 1, tzinfo=UTC)),
    _moment(datetime(9998, 12, 31, 23, 59, 59, 999_999, UTC)),
    *[
        _moment(datetime(year, 2, 28, 23, tzinfo=UTC) + timedelta(hours=hours))
        for year in (1900, 2000, 2024, 2026)
        for hours in (0, 2, 30)
    ],
    _moment(datetime(2026, 11, 30, 7, tzinfo=timezone(timedelta(hours=7)))),
    ("x" * 100_000, *NULLS[1:]),
]  # fmt: skip


async def test_rows_are_stored_as_asyncpg_stores_them(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    rows = ROWS * (ROWS_AT_ONCE // len(ROWS) + 2)
    stored = []
    for compiled in (True, False):
        await copy_rows(connection, "copied", COLUMNS, rows, compiled=compiled)
        stored.append(await connection.fetch(f"select {', '.join(COLUMNS)} from copied order by place"))
        await connection.execute("truncate copied")
    assert stored[0] == stored[1]
    assert [tuple(record) for record in stored[0]] == [tuple(row) for row in rows]
    await copy_rows(connection, "copied", COLUMNS, [])
    assert not await connection.fetch("select from copied")


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ((1, *NULLS[1:]), TypeError),
        (("\ud800", *NULLS[1:]), UnicodeEncodeError),
        ((None, None, 2**15, *NULLS[3:]), OverflowError),
        ((None, None, None, 2**31, *NULLS[4:]), OverflowError),
        ((*NULLS[:4], 2**63, *NULLS[5:]), OverflowError),
        ((*NULLS[:4], "1", *NULLS[5:]), TypeError),
        (_moment(datetime(2026, 11, 30)), TypeError),  # noqa: DTZ001  (without a time zone, on purpose)
        ((*NULLS[:6], "text", None), TypeError),
        ((*NULLS[:7], ("a",)), TypeError),
        ((*NULLS[:7], [None]), TypeError),
        (NULLS[:-1], TypeError),
        (list(NULLS), TypeError),
    ],
)
async def test_a_value_that_a_column_does_not_hold_is_an_error(row: Any, error: type[Exception]) -> None:
    encoder = binary_rows.RowEncoder(list(COLUMNS.values()))
    with pytest.raises(error):
        encoder.encode([row])
    assert encoder.encode([NULLS]) == b"\0\x08" + b"\xff" * 4 * len(COLUMNS), "an error leaves nothing behind"


async def test_after_an_error_the_connection_is_usable(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    with pytest.raises(TypeError):
        await copy_rows(connection, "copied", COLUMNS, [NULLS, (1, *NULLS[1:])])
    assert not await connection.fetch("select from copied")


class Head(NamedTuple):
    """The first columns of a decoded row."""

    words: str | None
    document: object


@pytest.mark.parametrize("at_once", [1, 7, 1_000, 1_000_000])
async def test_rows_are_decoded_in_whatever_pieces_they_arrive(at_once: int) -> None:
    types = list(COLUMNS.values())[:-1]
    encoded = binary_rows.RowEncoder(types).encode(row[:-1] for row in ROWS)
    copied = b"PGCOPY\n\xff\r\n\0" + bytes(8) + encoded + b"\xff\xff"
    decoder = binary_rows.RowDecoder(types, 2, Head)
    decoded = []
    for start in range(0, len(copied), at_once):
        decoded += decoder.decode(copied[start : start + at_once])
    documents = [None if row[1] is None else orjson.loads(row[1]) for row in ROWS]
    assert decoded == [(Head(row[0], document), *row[2:-1]) for row, document in zip(ROWS, documents, strict=True)]
    assert all(type(head) is Head for head, *_ in decoded)
    assert {moment.tzinfo for *_, moment, _ in decoded if moment is not None} == {UTC}


@pytest.mark.parametrize(
    "row",
    [
        b"\0\x03" + b"\xff" * 12,
        b"\0\x02" + b"\0\0\0\x01\xff" + b"\xff" * 4,  # not UTF-8
        b"\0\x02" + b"\xff" * 4 + b"\0\0\0\x04" + bytes(4),
        b"\0\x02" + b"\xff" * 4 + b"\0\0\0\x08" + b"\x7f" + b"\xff" * 7,  # infinity
    ],
)
async def test_rows_of_other_types_are_an_error(row: bytes) -> None:
    decoder = binary_rows.RowDecoder(["text", "timestamptz"], 0, tuple)
    assert decoder.decode(bytes(19)) == []
    with pytest.raises(ValueError, match=r"expected|no time|decode"):
        decoder.decode(row)
