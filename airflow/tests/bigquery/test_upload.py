"""Streams of files: one Parquet file, read in any pieces; digests that tell contents apart."""

import io
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from order_batch.warehouse.bigquery.load_jobs import content_digest, open_upload
from order_batch.warehouse.staged_files import arrow_schema
from order_batch.warehouse.tables import ORDERS
from tests.staged import NOVEMBER_21, make_rows, stage

ROWS = make_rows(ORDERS, NOVEMBER_21, 5_000)
PARTS = [ROWS[:2_000], [], ROWS[2_000:]]


def _rows(content: bytes) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(content)).to_pylist()
    return rows


@pytest.mark.parametrize("piece", [100, 1_001, 10_000_000])
def test_files_become_one(tmp_path: Path, piece: int) -> None:
    with open_upload(stage(ORDERS, tmp_path, *PARTS)) as (stream, size):
        assert size is None
        pieces = []
        while block := stream.read(piece):
            pieces.append(block)
            assert stream.tell() == sum(map(len, pieces))
    assert all(len(block) == piece for block in pieces[:-1])
    content = b"".join(pieces)
    assert _rows(content) == ROWS
    assert pq.read_schema(io.BytesIO(content)).equals(arrow_schema(ORDERS))


def test_one_file_is_sent_as_it_is(tmp_path: Path) -> None:
    (path,) = stage(ORDERS, tmp_path, ROWS)
    with open_upload([path]) as (stream, size):
        assert size == path.stat().st_size
        assert stream.read() == path.read_bytes()


def test_digests_tell_contents_apart(tmp_path: Path) -> None:
    contents = [[b"a"], [b"b"], [b"a", b"b"], [b"b", b"a"], [b"ab"], [b""], []]
    staged = [stage(ORDERS, tmp_path / str(number), *each) for number, each in enumerate(contents)]
    assert len({content_digest(files) for files in staged}) == len(contents)


def test_the_same_rows_have_the_same_digest(tmp_path: Path) -> None:
    once, again = (content_digest(stage(ORDERS, tmp_path / name, *PARTS)) for name in ("once", "again"))
    assert once == again
