"""Which files are recognised as something else than lines of JSON, and which are published as they are."""

import bz2
import contextlib
import gzip
import json
import lzma

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_contract.decoding.file_kinds import compression_of
from order_producer.file_check import NotLinesError, check_lines
from order_producer.replay import LineSplitter, is_conclusive

ORDER = {"order_id": "o-1", "user_id": "u-1", "amount": "Rp.1,000", "note": {"a": [1, 2]}}
LINE = json.dumps(ORDER)
LINES = f"{LINE}\n" * 5
CSV = "order_id,user_id,amount\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(LINES.encode()), "gzip; run `gunzip -c FILE | order-producer replay -`"),
        (bz2.compress(LINES.encode()), "bzip2"),
        (lzma.compress(LINES.encode()), "xz -dc FILE"),
        (b"PK\x03\x04\x14\x00", "ZIP"),
        (b"PAR1\x15\x04\x15", "Parquet"),
        (LINES.encode("utf-16"), "iconv -f UTF-16 -t UTF-8"),
        (LINES.encode("utf-16-le"), "iconv -f UTF-16LE -t UTF-8"),
        (LINES.encode("utf-16-be"), "iconv -f UTF-16BE -t UTF-8"),
        (LINES.encode("utf-32"), "UTF-32"),
        (LINES.encode("utf-8-sig"), "tail -c +4 FILE"),
        (json.dumps([ORDER, ORDER]).encode(), "one JSON array; run `jq -c '.[]' FILE"),
        (json.dumps([ORDER, ORDER], indent=2).encode(), "one JSON array"),
        (f"[\n{LINE},\n{LINE},\n{LINE}\n]\n".encode(), "one JSON array"),
        (f"[{LINE},\n{LINE}]\n".encode(), "one JSON array"),
        (f"[\n{LINE}\n]".encode(), "one JSON array"),
        (json.dumps(ORDER, indent=2).encode(), "spread over several lines; run `jq -c . FILE"),
        ("\n".join(json.dumps(ORDER, indent=4) for _ in range(3)).encode(), "spread over several lines"),
        (b"\n\n" + json.dumps(ORDER, indent="\t").encode(), "spread over several lines"),
        (json.dumps({"orders": [ORDER]}, indent=1).encode(), "spread over several lines"),
        ((CSV + "o-1,u-1,5\n").encode(), "CSV"),
        ((CSV.replace(",", ";") + 'o-1;u-1;"5;6"\n').encode(), "CSV"),
        ((CSV.replace(",", "\t") + "o-1\tu-1\t5\n").encode(), "CSV"),
        (b"<?xml version='1.0'?>\n<orders/>\n", "XML"),
    ],
)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_other_kinds_are_recognised_with_what_to_do(content: bytes, said: str, line_end: bytes) -> None:
    if content.isascii() and b"\0" not in content:
        content = content.replace(b"\n", line_end)

    with pytest.raises(NotLinesError) as caught:
        check_lines(content, "-", whole=True)

    assert said in str(caught.value)
    assert "standard input is not a file of one JSON document per line" in str(caught.value)
    assert "Nothing was published; --as-is" in str(caught.value)


def test_a_large_file_of_another_kind_is_recognised_by_its_beginning() -> None:
    spread = "{\n" + '"a": 1,\n' * 50_000
    for content in (json.dumps([ORDER] * 10_000), json.dumps([ORDER] * 10_000, indent=1), spread):
        with pytest.raises(NotLinesError):
            check_lines(content.encode()[:65_536], "x", whole=False)


def test_the_command_that_is_offered_can_be_run() -> None:
    with pytest.raises(NotLinesError) as caught:
        check_lines(gzip.compress(b"x"), "my $(rm) orders' file.gz", whole=True)

    assert "gunzip -c 'my $(rm) orders'\\'' file.gz' |" in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\n", b"not json\n", b"{\n", b"[1]\n[2]\n", b'{"a":1', b"{broken\n", b"hello, world\n",
        LINES.encode(), LINE.encode(), LINES.encode().replace(b"\n", b"\r\n"), b"\n\n" + LINES.encode(),
        (LINES + "{broken\n[1]\n<x>\n").encode(), ("{broken\n" + LINES).encode(), ("[1]\n" + LINES).encode(),
        (CSV + LINES).encode(), ("\xe9" + LINES).encode("latin-1"), b"null\n7\n", b'"text"\n', b"a,b,c\n",
    ],
)  # fmt: skip
def test_lines_with_broken_ones_among_them_are_published(content: bytes) -> None:
    check_lines(content, "x", whole=True)
    check_lines(content, "x", whole=False)


@given(st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line), max_size=5))
def test_lines_are_published_whatever_is_among_them(others: list[bytes]) -> None:
    lines = [LINE.encode()] * 6 + others

    check_lines(b"\n".join(lines), "x", whole=True)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_lines_or_are_named(content: bytes, whole: bool) -> None:
    with contextlib.suppress(NotLinesError):
        check_lines(content, "x", whole=whole)
        assert compression_of(content) is None


@pytest.mark.parametrize(
    ("head", "enough"),
    [(b"", False), (b'{"a":1}', False), (b'{"a":1}\n', True), (b'{"a":1}\r\n', True), (b"{\n", False),
     (b"{\n a\n", False), (b"{\n\n\n", True)],
)  # fmt: skip
def test_a_pipe_is_held_up_no_longer_than_it_takes_to_know(head: bytes, enough: bool) -> None:
    assert is_conclusive(head) is enough
    assert LineSplitter(100).feed(head) == head.split(b"\n")[:-1]
