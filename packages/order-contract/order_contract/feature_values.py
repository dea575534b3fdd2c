"""All features of an order: read and written by compiled code where the installation compiled it, else by Python alone.

Features are a mapping. Where histories are read by compiled code, it is no dict: see `compiled_json`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

from order_contract.compiled_modules import require_current

try:
    from order_contract import compiled_json
except ImportError:
    compiled_json = None  # type: ignore[assignment]
else:
    require_current(compiled_json)

FEATURES_ARE_COMPILED: Final = compiled_json is not None

ReadValues = Callable[[Mapping[str, Any]], Iterable[Any]]
"""Reads the values of some names, in their order, from features; None where there is none."""


def json_of_mapping(features: Mapping[str, Any]) -> str:
    """Features as JSON text."""
    return orjson.dumps(features).decode()


def reader_of_mappings(names: Sequence[str]) -> ReadValues:
    """What reads the values of these names."""
    return lambda features: map(features.get, names)


def compiled_reader(names: Sequence[str]) -> ReadValues:
    """The same, compiled."""
    return compiled_json.FeatureReader(names).read


features_json: Final[Callable[[Mapping[str, Any]], str]] = (
    compiled_json.features_json if FEATURES_ARE_COMPILED else json_of_mapping
)
reader_of: Final[Callable[[Sequence[str]], ReadValues]] = (
    compiled_reader if FEATURES_ARE_COMPILED else reader_of_mappings
)
