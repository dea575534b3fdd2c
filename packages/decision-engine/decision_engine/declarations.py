"""Declarations of a ruleset: attributes, parameters, lists and features, read into the schema of its rules."""

import dataclasses
import keyword
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import yaml

from decision_engine.compilation import LISTS, compile_event_condition
from decision_engine.expression import ExpressionError, names_in
from decision_engine.features import ROLLOUT
from decision_engine.history.declaration import (
    ATTRIBUTE,
    LONGEST_WINDOW,
    OVER_LABELS,
    OVER_NUMBERS,
    OVER_TEXTS,
    SECOND,
    SHORTEST_WINDOW,
    Aggregate,
    HistoryFeature,
)
from decision_engine.history.stream_features import TOO_LATE
from decision_engine.list_values import normalise_value, read_value_lines
from decision_engine.schema import Constant, OrderList, Schema
from decision_engine.yaml_nodes import NodeReader, RulesetError, Scalar, shorten
from order_contract.decoding.decoder import EventDecoder
from order_contract.event import OrderEvent

DECLARATION_KEYS: Final = ("attributes", "parameters", "lists", "features")
ATTRIBUTE_TYPES: Final[Mapping[str, type]] = {"text": str, "integer": int, "number": float, "boolean": bool}
LIST_KEYS: Final = ("kind", "field", "values", "file")
LIST_KINDS: Final = ("block", "trust", "watch", "other")
LABELS: Final = ("fraud", "legitimate")
NUMBER_FIELDS: Final = ("amount", "quantity")
MOST_DECLARATIONS: Final = 300
MOST_VALUES: Final = 5_000
_MAX_NUMBER: Final = 10**18
_FEATURE_KEYS = ("aggregate", "field", "key", "window", "where", "label")
_DECODER: Final = EventDecoder()
_UNITS = {"s": SECOND, "m": 60 * SECOND, "h": 3_600 * SECOND, "d": 86_400 * SECOND}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_VALUE_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\.txt")
_WINDOW = re.compile(r"([1-9][0-9]{0,7})([smhd])")
_FLOATS = frozenset(
    {
        Aggregate.AVERAGE,
        Aggregate.DEVIATION,
        Aggregate.RATIO_TO_AVERAGE,
        Aggregate.SECONDS_SINCE_FIRST,
        Aggregate.SECONDS_SINCE_LAST,
        Aggregate.LABEL_SHARE,
    }
)

Source = tuple[NodeReader, Mapping[str, yaml.Node]]
"""A file's reader, and its top-level entries."""

ReadFile = Callable[[str], str]
"""Reads a file of the ruleset's folder. Raises RulesetError."""


def read_declarations(
    sources: Iterable[Source], base: Schema, read: ReadFile | None
) -> tuple[Schema, tuple[HistoryFeature, ...]]:
    """The schema of a ruleset's rules and its history features, from all of its files. Raises RulesetError."""
    sources = list(sources)
    taken = {*base.types, LISTS, TOO_LATE, "attributes", "event", "features"}
    attributes: Mapping[str, type] = _collect(sources, "attributes", set(), _attribute)
    parameters: Mapping[str, Constant] = _collect(sources, "parameters", taken, _parameter)
    schema = dataclasses.replace(base, attributes={**base.attributes, **attributes}, parameters=parameters)
    lists: Mapping[str, OrderList] = _collect(
        sources, "lists", taken, lambda reader, name, node: _list(reader, name, node, schema, read)
    )
    features: Mapping[str, HistoryFeature] = _collect(
        sources, "features", {*taken, ROLLOUT}, lambda reader, name, node: _feature(reader, name, node, schema)
    )
    types = {
        name: float if feature.aggregate in _FLOATS else int for name, feature in features.items()
    }  # fmt: skip
    schema = dataclasses.replace(schema, lists=lists, history={**base.history, **types})
    return schema, tuple(features.values())


def _collect(
    sources: Iterable[Source], section: str, taken: set[str], read: Callable[[NodeReader, str, yaml.Node], Any]
) -> dict[str, Any]:
    """The declarations of one section in all files. Each name is added to `taken`."""
    found: dict[str, Any] = {}
    for reader, entries in sources:
        if section not in entries:
            continue
        for name, (key, node) in reader.entries(entries[section], section).items():
            if _NAME.fullmatch(name) is None or keyword.iskeyword(name):
                raise reader.error(
                    key, f"{shorten(name)} is not a name; write letters, digits and _, as in device_users_24h"
                )
            if name in found or name in taken:
                raise reader.error(key, f"the name {shorten(name)} is taken already; choose another one")
            if len(found) >= MOST_DECLARATIONS:
                raise reader.error(key, f"{section} has more than {MOST_DECLARATIONS} names; remove some")
            found[name] = read(reader, name, node)
    taken |= found.keys()
    return found


def _attribute(reader: NodeReader, name: str, node: yaml.Node) -> type:
    return ATTRIBUTE_TYPES[reader.choice(node, f"the type of attribute {name}", tuple(ATTRIBUTE_TYPES))]


def _parameter(reader: NodeReader, name: str, node: yaml.Node) -> Constant:
    if not isinstance(node, yaml.SequenceNode):
        return _constant(reader, name, node)
    values = tuple(_constant(reader, name, each) for each in node.value)
    kinds = {str if isinstance(value, str) else bool if isinstance(value, bool) else float for value in values}
    if len(kinds) != 1:
        raise reader.error(node, f"parameter '{name}' holds values of one type, such as [ID, SG] or [1, 2]")
    return values


def _constant(reader: NodeReader, name: str, node: yaml.Node) -> Scalar:
    value = reader.scalar(node)
    if value is None:
        raise reader.error(node, f"parameter '{name}' needs a value: a number, a text, true or false")
    if isinstance(value, (int, float)) and abs(value) > _MAX_NUMBER:
        raise reader.error(node, f"parameter '{name}' is a number of at most 10^18")
    return value


def _list(reader: NodeReader, name: str, node: yaml.Node, schema: Schema, read: ReadFile | None) -> OrderList:
    what = f"list '{name}'"
    entries = reader.mapping(node, LIST_KEYS, required=("kind", "field"), what=what)
    field = reader.choice(entries["field"], "field", _names_of(schema, (str,)))
    values: list[tuple[yaml.Node, str, str]] = []
    if "values" in entries:
        nodes = reader.items(entries["values"], f"values of {what} is a list, such as [d-77aa, d-1042]")
        values = [(each, reader.text(each, "a value"), "") for each in nodes]
    if "file" in entries:
        if "values" in entries:
            raise reader.error(entries["file"], f"{what} has values or a file, not both; remove one")
        values = [*_file_values(reader, entries["file"], read)]
    if len(values) > MOST_VALUES:
        raise reader.error(
            node, f"{what} has {len(values):,} values, and a ruleset's list at most {MOST_VALUES:,}; import the others"
        )
    return OrderList(
        name,
        reader.choice(entries["kind"], "kind", LIST_KINDS),
        field,
        frozenset(_normalise(reader, each, field, value, place) for each, value, place in values),
    )


def _file_values(reader: NodeReader, node: yaml.Node, read: ReadFile | None) -> Iterator[tuple[yaml.Node, str, str]]:
    """The values of a file beside the rules, with their places in it."""
    file = reader.text(node, "file")
    if _VALUE_FILE.fullmatch(file) is None:
        raise reader.error(node, f"file names a .txt file in the same folder, one value per line, got {shorten(file)}")
    if read is None:
        raise reader.error(node, f"'{file}' cannot be read here, as this text is not read from a folder")
    try:
        text = read(file)
    except RulesetError as error:
        raise reader.error(node, f"file: {error}") from None
    yield from ((node, value, f"{file}:{line}: ") for line, value in read_value_lines(text))


def list_value(reader: NodeReader, node: yaml.Node, field: str) -> str:
    """A value of a list, as the field of an order has it. Raises RulesetError."""
    return _normalise(reader, node, field, reader.text(node, "a value"), "")


def _normalise(reader: NodeReader, node: yaml.Node, field: str, value: str, place: str) -> str:
    try:
        return normalise_value(field, value, _DECODER)
    except ValueError as error:
        raise reader.error(node, f"{place}{error}") from None


def _names_of(schema: Schema, types: tuple[type, ...]) -> tuple[str, ...]:
    """The fields and attributes of an order of these types."""
    kinds = {**schema.fields, **schema.optional, **schema.qualified_attributes}
    return tuple(name for name, kind in kinds.items() if kind in types)


def _feature(reader: NodeReader, name: str, node: yaml.Node, schema: Schema) -> HistoryFeature:
    what = f"feature '{name}'"
    entries = reader.mapping(node, _FEATURE_KEYS, required=("aggregate", "key", "window"), what=what)
    aggregate = Aggregate(reader.choice(entries["aggregate"], "aggregate", tuple(Aggregate)))
    for name_of_it, of_it in (("label", OVER_LABELS), ("field", OVER_NUMBERS | OVER_TEXTS)):
        if aggregate in of_it and name_of_it not in entries:
            raise reader.error(node, f"{what} needs '{name_of_it}': {aggregate} is of a {name_of_it}")
        if aggregate not in of_it and name_of_it in entries:
            raise reader.error(
                entries[name_of_it], f"{what} takes no '{name_of_it}': {aggregate} is of no {name_of_it}; remove it"
            )
    field = None
    if "field" in entries:
        fields = NUMBER_FIELDS if aggregate in OVER_NUMBERS else _event_texts(schema)
        field = reader.choice(entries["field"], f"the field of {aggregate}", fields)
    where = reader.text(entries["where"], "where") if "where" in entries else None
    return HistoryFeature(
        sys.intern(name),  # as in compiled rules: a look-up need not compare characters
        aggregate,
        _key(reader, entries["key"], what, schema),
        _window(reader, entries["window"]),
        field,
        where,
        reader.choice(entries["label"], "label", LABELS) if "label" in entries else None,
        None if where is None else _where(reader, entries["where"], what, schema),
        () if where is None else _constants(where, schema),
    )


def _constants(where: str, schema: Schema) -> tuple[tuple[str, type, object], ...]:
    """The parameters and attributes in a condition: they are declared elsewhere."""
    attributes = schema.qualified_attributes
    parameters = schema.parameters
    return tuple(
        (name, attributes.get(name) or type(parameters[name]), parameters.get(name))
        for name in names_in(where)
        if name in attributes or name in parameters
    )


def _event_texts(schema: Schema) -> tuple[str, ...]:
    return tuple(name for name in _names_of(schema, (str,)) if not name.startswith(ATTRIBUTE))


def _key(reader: NodeReader, node: yaml.Node, what: str, schema: Schema) -> tuple[str, ...]:
    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    known = tuple(name for name in _names_of(schema, (str, int)) if name != "order_id")
    names = tuple(reader.choice(each, f"the key of {what}", known) for each in nodes)
    if len(names) not in (1, 2) or len(set(names)) != len(names):
        raise reader.error(node, f"the key of {what} is one field, or two different ones: [user_id, ip_address]")
    return names


def _window(reader: NodeReader, node: yaml.Node) -> int:
    match = _WINDOW.fullmatch(reader.text(node, "window"))
    window = int(match[1]) * _UNITS[match[2]] if match else 0
    if not SHORTEST_WINDOW <= window <= LONGEST_WINDOW:
        raise reader.error(
            node, f"window is a time from 1m to 30d, such as 90s, 10m, 24h or 7d; got {shorten(node.value)}"
        )
    return window


def _where(reader: NodeReader, node: yaml.Node, what: str, schema: Schema) -> Callable[[OrderEvent], bool]:
    try:
        alone = dataclasses.replace(schema, features={}, history={}, lists={})
        return compile_event_condition(reader.text(node, "where"), alone)
    except ExpressionError as error:
        raise reader.expression_error(node, f"where of {what}: {error}", error.offset) from None
