"""Replay: a message a line, its bytes untouched, its key the line's user_id where it can be one."""

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_producer.replay import parse_line


@given(
    st.binary() | st.dictionaries(st.sampled_from(["user_id", "x"]), st.text() | st.integers(0, 9)).map(orjson.dumps)
)
def test_bytes_are_untouched_and_the_key_is_a_text_or_nothing(line: bytes) -> None:
    message = parse_line(line, 7)

    assert (message.value, message.name, message.pattern, message.created) == (line, "line 7", None, None)
    assert message.key is None or orjson.loads(line)["user_id"] == message.key.decode()


@pytest.mark.parametrize(
    ("line", "key"),
    [
        (b'{"user_id":"U1"}', b"U1"),
        (b' {"x":1, "user_id" : "\\u0055\xc3\xbc"} \r', "Uü".encode()),
        (b'{"user_id":"' + b"u" * 64 + b'"}', b"u" * 64),
        (b'{"user_id":"' + b"u" * 65 + b'"}', None),
        (b'{"user_id":""}', None),
        (b'{"user_id":5}', None),
        (b'{"user_id":null}', None),
        (b'{"user_id":["U1"]}', None),
        (b'{"user":"U1"}', None),
        (b'["user_id"]', None),
        (b'"user_id"', None),
        (b'{"user_id":"U1"', None),
        (b'{"user_id":"\xff"}', None),
        (b'{"user_id":"\\ud800"}', None),
        (b"[" * 100_000, None),
        (b"", None),
    ],
)
def test_keys(line: bytes, key: bytes | None) -> None:
    assert parse_line(line, 1).key == key


@pytest.mark.parametrize(
    ("date", "created"),
    [
        ("2026-11-22T10:00:00", datetime(2026, 11, 22, 3, tzinfo=UTC)),
        ("2026-11-22T10:00:00Z", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        ("2026-11-22", None),
        ("soon", None),
        (5, None),
        (None, None),
    ],
)
def test_the_events_time_is_read_when_it_is_wanted(date: object, created: datetime | None) -> None:
    line = orjson.dumps({"user_id": "U1", "created_date": date})

    assert parse_line(line, 1, dated=True).created == created
    assert parse_line(line, 1).created is None
