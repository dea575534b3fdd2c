"""Features as a mapping of compiled code, against a dict: what is read, and the JSON text to the byte."""

import math
import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from order_contract.feature_values import features_json, json_of_mapping, reader_of, reader_of_mappings

compiled_json = pytest.importorskip(
    "order_contract.compiled_json", reason="no C compiler was there when it was installed"
)

INTEGERS = st.integers(-(2**63), 2**64 - 1)
FLOATS = st.one_of(st.floats(), st.integers(-(2**60), 2**60).map(float), st.floats(0, 10).map(lambda x: round(x, 2)))
VALUES = st.one_of(st.none(), st.booleans(), INTEGERS, FLOATS, st.text(), st.lists(st.text(), max_size=3))
FEATURES = st.dictionaries(st.text(), VALUES, max_size=40)


def compiled(features: dict[str, Any]) -> MutableMapping[str, Any]:
    values: MutableMapping[str, Any] = compiled_json.FeatureNames(features).give([*features.values()])
    return values


@given(FEATURES)
@example({})
@example({"zero": 0.0, "negative": -0.0, "whole": 3.0, "large": 1e9, "exponent": 1e16, "small": 1e-7, "none": math.nan})
@example({"ascii": "é"})
@example({"é": 1})
@example({"least": -(2**63), "greatest": 2**64 - 1, "digit": 7, "two": 12, "negative": -7, "true": True})
def test_the_json_is_that_of_a_dict(features: dict[str, Any]) -> None:
    try:
        written = orjson.dumps(features).decode()
    except TypeError:  # a lone surrogate
        with pytest.raises(TypeError):
            features_json(compiled(features))
        return
    assert features_json(compiled(features)) == features_json(features) == json_of_mapping(features) == written


def test_an_integer_that_json_does_not_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="64-bit"):
        features_json(compiled({"number": 2**64}))


@given(FEATURES, FEATURES)
def test_it_is_a_mapping_as_a_dict_is(features: dict[str, Any], more: dict[str, Any]) -> None:
    values, same = compiled(features), dict(features)
    for name, value in more.items():
        values[name] = same[name] = value
    assert {**values} == {**same}
    assert [*values] == [*values.keys()] == [*same]
    assert [*map(repr, values.values())] == [*map(repr, same.values())]
    assert len(values) == len(same)
    assert repr(values) == repr(same)
    for name in [*same, "missing"]:
        assert (name in values) == (name in same)
        assert values.get(name) is same.get(name)
        assert values.get(name, "default") is same.get(name, "default")
    with pytest.raises(KeyError):
        values["missing" * 10]


def test_equal_values_are_equal() -> None:
    values = compiled({"a": 1, "b": None})
    assert values == {"b": None, "a": 1}
    assert dict(b=None, a=1) == values  # noqa: C408  (the dict is asked first)
    assert values == compiled({"b": None, "a": 1})
    assert values != compiled({"a": 1})
    assert values != {"a": 2, "b": None}
    assert values != dict.fromkeys("ab")


def test_a_new_feature_is_not_one_of_other_orders() -> None:
    names = compiled_json.FeatureNames(["a"])
    first, second = names.give([1]), names.give([2])
    first["hour"] = 3
    assert first == {"a": 1, "hour": 3}
    assert second == {"a": 2}
    second["hour"] = 4
    assert first == {"a": 1, "hour": 3}
    assert second == {"a": 2, "hour": 4}
    assert features_json(first) == '{"a":1,"hour":3}'


@given(st.lists(FEATURES, max_size=5), st.lists(st.text(), max_size=8))
def test_values_are_read_by_their_names(all_features: list[dict[str, Any]], names: list[str]) -> None:
    names += [name for features in all_features for name in features][:5]
    read = reader_of(names)
    for features in all_features:
        expected = [features.get(name) for name in names]
        values = compiled(features)
        for found in (read(values), read(values), read(features), reader_of_mappings(names)(features)):
            assert [*map(repr, found)] == [*map(repr, expected)]


def test_references_are_counted() -> None:
    value, count = object(), 100
    before = sys.getrefcount(value)
    names = compiled_json.FeatureNames(["a", "b"])
    read = reader_of(["b", "a", "missing"])
    for _ in range(count):
        features = names.give([value, value])
        features["c"] = value
        features["a"] = None
        del features
        [*read(names.give([value, None]))]
    assert sys.getrefcount(value) == before
