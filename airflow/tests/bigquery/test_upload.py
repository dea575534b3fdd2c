"""Streams of files: one gzip member, read in any pieces; digests that know content, not time."""

import gzip
from pathlib import Path

import pytest

from order_batch.warehouse.bigquery.load_jobs import content_digest, open_upload
from tests.fake_bigquery.lines import decompress
from tests.staged import stage

CONTENTS = [b"first\nsecond\n", b"", b"third\n"]


@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_files_become_one_member(tmp_path: Path, piece: int) -> None:
    with open_upload(stage(tmp_path, *CONTENTS)) as (stream, size):
        assert size is None
        pieces = []
        while block := stream.read(piece):
            pieces.append(block)
            assert stream.tell() == sum(map(len, pieces))
    assert all(len(block) == piece for block in pieces[:-1])
    assert decompress(b"".join(pieces)) == b"".join(CONTENTS)


def test_one_file_is_sent_as_it_is(tmp_path: Path) -> None:
    (path,) = stage(tmp_path, CONTENTS[0])
    with open_upload([path]) as (stream, size):
        assert size == path.stat().st_size
        assert stream.read() == path.read_bytes()


@pytest.mark.parametrize("files", [1, 3])
def test_what_is_too_large_for_gzip_is_sent_as_lines(tmp_path: Path, files: int) -> None:
    with open_upload(stage(tmp_path, *CONTENTS[:files]), gzip_limit=10) as (stream, size):
        assert size is None
        assert stream.read() == b"".join(CONTENTS[:files])


def test_large_files_are_read_whole(tmp_path: Path) -> None:
    content = b"".join(b"%d\n" % number for number in range(500_000))
    with open_upload(stage(tmp_path, content, content)) as (stream, _):
        assert gzip.decompress(stream.read()) == content * 2


def test_digests_do_not_tell_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1.0)
    early = stage(tmp_path / "early", *CONTENTS)
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    late = stage(tmp_path / "late", *CONTENTS)
    assert early[0].read_bytes() != late[0].read_bytes()
    assert content_digest(early) == content_digest(late)


def test_digests_tell_contents_apart(tmp_path: Path) -> None:
    contents = [[b"a\n"], [b"b\n"], [b"a\n", b"b\n"], [b"b\n", b"a\n"], [b""], []]
    digests = {content_digest(stage(tmp_path / str(number), *each)) for number, each in enumerate(contents)}
    assert len(digests) == len(contents)
