"""Cursors: they are read as they were written, and nothing else is accepted as one."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_api.http.problems.requests import CursorUnknown
from order_api.orders.filters import Criteria
from order_api.orders.repository import Position, read_position, write_position
from order_contract.decision import Outcome

ALL = Criteria()
POSITIONS = st.builds(
    Position,
    st.datetimes(datetime(1970, 1, 1), datetime(9998, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=64),
)


@given(POSITIONS)
def test_round_trip(position: Position) -> None:
    cursor = write_position(position, ALL)
    assert len(cursor) <= 640
    assert read_position(cursor, ALL) == position


@given(POSITIONS, st.data())
def test_a_changed_character_invalidates_the_cursor(position: Position, data: st.DataObject) -> None:
    cursor = write_position(position, ALL)
    at = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.sampled_from("ABCxyz019-_").filter(lambda character: character != cursor[at]))
    with pytest.raises(CursorUnknown):
        read_position(cursor[:at] + other + cursor[at + 1 :], ALL)


@given(st.text(st.sampled_from("ABCDEFabcdef0123456789-_"), min_size=16, max_size=640))
def test_invalid_cursors_are_rejected(text: str) -> None:
    with pytest.raises(CursorUnknown):
        read_position(text, ALL)


@pytest.mark.parametrize(
    "other", [Criteria(user_id="u"), Criteria(flagged=True), Criteria(outcome=Outcome.REVIEW), Criteria(min_amount=0)]
)
def test_it_serves_its_own_filters_only(other: Criteria) -> None:
    cursor = write_position(Position(datetime(2026, 11, 22, tzinfo=UTC), "o"), ALL)
    with pytest.raises(CursorUnknown):
        read_position(cursor, other)


def test_forged_positions_are_rejected() -> None:
    beyond = write_position(Position(datetime(9999, 12, 31, tzinfo=UTC), "o"), ALL)
    nul = write_position(Position(datetime(2026, 11, 22, tzinfo=UTC), "a\0b"), ALL)
    for cursor in (beyond, nul):
        with pytest.raises(CursorUnknown):
            read_position(cursor, ALL)
