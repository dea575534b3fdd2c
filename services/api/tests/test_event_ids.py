"""Ids of events: positions as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from order_api.decisions.filters import LastEventId
from order_api.decisions.schemas import covers, furthest, read_id, write_id

positions = st.lists(st.integers(0, 10**18 - 1), min_size=1, max_size=8).map(tuple)


@given(positions)
def test_what_is_written_is_read(position: tuple[int, ...]) -> None:
    assert read_id(write_id(position)) == dict(enumerate(position))


@pytest.mark.parametrize(
    "text",
    ["", " ", "0", "0:", ":1", "0:1,", ",0:1", "0:1 ,1:2", "0:-1", "0:1;1:2", "a:1", "0:1\n", "0:٣", "0:" + "9" * 19],
)
def test_invalid_event_ids_are_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="is not an event's id like 0:1234"):
        read_id(text)


def test_of_a_partition_named_twice_the_smaller_counts() -> None:
    assert read_id("1:7,0:5,1:6") == {0: 5, 1: 6}


@given(positions)
def test_the_furthest_position_covers_both(position: tuple[int, ...]) -> None:
    other = position[::-1]
    assert covers(furthest(position, other), position)
    assert covers(furthest(position, other), other)
    assert covers(position, other) == (furthest(position, other) == position)


@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_header_is_no_id(text: str) -> None:
    """Browsers that have had no event yet may send it so."""
    assert TypeAdapter(LastEventId).validate_python(text) is None


def test_a_header_is_an_id() -> None:
    assert TypeAdapter(LastEventId).validate_python("0:12,1:9") == {0: 12, 1: 9}
    with pytest.raises(ValidationError):
        TypeAdapter(LastEventId).validate_python("banana")
