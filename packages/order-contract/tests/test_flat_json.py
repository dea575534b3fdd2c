"""Compiled code writes features as orjson does."""

import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_contract.decision import Outcome

flat_json = pytest.importorskip("order_contract.flat_json", reason="there was no C compiler")

NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.integers(0, 1_000) | st.floats() | st.booleans()
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.none() | NUMBERS | TEXTS | st.lists(NUMBERS | TEXTS) | st.dictionaries(TEXTS, NUMBERS)
MEMBERS = st.dictionaries(st.sampled_from(["count", "sum", 'a "share"', "größte"]) | TEXTS, VALUES)


@given(st.lists(MEMBERS, min_size=1, max_size=4))
def test_dicts_one_after_the_other_are_written_as_orjson_writes_them(dicts: list[dict[str, object]]) -> None:
    encoder = flat_json.FlatEncoder()
    for members in dicts:
        assert encoder.encode(members) == orjson.dumps(members).decode()


LIMITS = [0, 9, 10, 2**63 - 1, 2**63, 2**64 - 1, -1, -(2**63), 0.0, -0.0, 1e16, 1e-7, math.nan]


@pytest.mark.parametrize("value", LIMITS)
def test_a_number_is_written_as_orjson_writes_it(value: float) -> None:
    assert flat_json.FlatEncoder().encode({"number": value}) == orjson.dumps({"number": value}).decode()


def test_members_of_an_enumeration_and_tuples_are_written_as_orjson_writes_them() -> None:
    members = {"lists": ("trusted", "blocked"), "rollout": {"other_outcome": Outcome.REVIEW}}
    assert flat_json.FlatEncoder().encode(members) == orjson.dumps(members).decode()


@pytest.mark.parametrize("members", [{"large": 2**64}, {"unknown": object()}, {"text": "\ud800"}, {1: 2}])
def test_what_json_cannot_hold_is_refused_and_the_next_dict_is_written(members: dict[str, object]) -> None:
    encoder = flat_json.FlatEncoder()
    with pytest.raises(TypeError):
        encoder.encode(members)
    assert encoder.encode({"count": 1}) == '{"count":1}'
