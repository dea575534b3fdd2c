"""Examples beside rules: an order, the orders before it, and whether the rule fires."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson
import yaml

from decision_engine.compilation import LISTS
from decision_engine.declarations import LABELS, list_value
from decision_engine.features import EventFeatures, Features
from decision_engine.history.declaration import HistoryFeature
from decision_engine.history.state import HistoryState
from decision_engine.schema import Schema, field_reader
from decision_engine.yaml_nodes import NodeReader
from order_contract.decoding.decoder import EventDecoder
from order_contract.event import BadEvent, OrderEvent

EXAMPLE_KEYS: Final = ("name", "order", "history", "lists", "expect")
HISTORY_KEYS: Final = ("ago", "repeat", "label")
MOST_EXAMPLES: Final = 100
MOST_ORDERS: Final = 1_000

_AGO = re.compile(r"([1-9][0-9]{0,7})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_ORDER: Mapping[str, object] = {
    "order_id": "example",
    "user_id": "example-user",
    "product_id": "example-product",
    "quantity": 1,
    "amount": 100_000,
    "payment_method": "Bank Transfer",
    "country": "ID",
    "created_date": "2026-01-15T12:00:00+07:00",
}
"""What an example's order has where it says nothing else."""

_LATEST = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PastOrder:
    """An earlier order of an example, with the label that it has got."""

    event: OrderEvent
    label: str | None


@dataclass(frozen=True, slots=True)
class Example:
    """One example. `lists` are the lists in which its order is, besides those `holding` it by the ruleset's values."""

    name: str
    order: OrderEvent
    history: tuple[PastOrder, ...]
    lists: tuple[str, ...]
    holding: tuple[str, ...]
    expect: bool
    line: int

    def features(self, declared: Iterable[HistoryFeature]) -> Features:
        """The features that the order has after its history."""
        state = HistoryState(declared)
        for past in self.history:
            state.add(past.event)
            if past.label is not None:
                state.add_label(past.event, past.label)
        values = {**EventFeatures().features(self.order), **state.values(self.order)}
        lists = tuple(sorted({*self.lists, *self.holding}))
        return {**values, LISTS: lists} if lists else values


def read_examples(reader: NodeReader, node: yaml.Node, schema: Schema) -> tuple[Example, ...]:
    """The examples of one rule. Raises RulesetError."""
    nodes = reader.items(node, "tests is a list; start each example with '- order: {...}'")
    if len(nodes) > MOST_EXAMPLES:
        raise reader.error(nodes[MOST_EXAMPLES], f"a rule has at most {MOST_EXAMPLES} examples")
    return tuple(_example(reader, each, number, schema) for number, each in enumerate(nodes, 1))


def _example(reader: NodeReader, node: yaml.Node, number: int, schema: Schema) -> Example:
    entries = reader.mapping(node, EXAMPLE_KEYS, required=("order", "expect"), what="an example")
    values = {**_ORDER, **_fields(reader, entries["order"], "order")}
    order = _event(reader, entries["order"], values)
    history: list[PastOrder] = []
    nodes = reader.items(entries["history"], "history is a list of earlier orders") if "history" in entries else []
    for each in nodes:
        history += _past_orders(reader, each, values, order, len(history))
        if len(history) > MOST_ORDERS:
            raise reader.error(each, f"a history has at most {MOST_ORDERS:,} orders")
    lists = _lists_with(reader, entries["lists"], order, schema) if "lists" in entries else ()
    return Example(
        name=reader.text(entries["name"], "name") if "name" in entries else f"example {number}",
        order=order,
        history=tuple(history),
        lists=lists,
        holding=tuple(each.name for each in schema.lists.values() if field_reader(each.field)(order) in each.values),
        expect=reader.choice(entries["expect"], "expect", ("true", "false")) == "true",
        line=node.start_mark.line + 1,
    )


def _lists_with(reader: NodeReader, node: yaml.Node, order: OrderEvent, schema: Schema) -> tuple[str, ...]:
    """The lists in which the order is: those that are named, or those whose given values have its own."""
    names = tuple(schema.lists)
    if not isinstance(node, yaml.MappingNode):
        nodes = reader.items(node, "lists is a list of names, or has values by name: {blocked_devices: [d-77aa]}")
        return tuple(sorted({reader.choice(each, "a list", names) for each in nodes}))
    found = []
    for key, values in reader.entries(node, "lists").values():
        declared = schema.lists[reader.choice(key, "a list", names)]
        nodes = reader.items(values, f"the values of list '{declared.name}' are a list, such as [d-77aa, d-1042]")
        members = {list_value(reader, each, declared.field) for each in nodes}
        if field_reader(declared.field)(order) in members:
            found.append(declared.name)
    return tuple(sorted(found))


def _past_orders(
    reader: NodeReader, node: yaml.Node, values: Mapping[str, object], order: OrderEvent, count: int
) -> list[PastOrder]:
    """An entry of a history: the example's order with other values, some time before it."""
    entries = {name: value for name, (_, value) in reader.entries(node, "an earlier order").items()}
    ago = reader.text(entries["ago"], "ago") if "ago" in entries else "1m"
    match = _AGO.fullmatch(ago)
    if match is None:
        raise reader.error(entries["ago"], "ago is a time before the order, such as 90s, 10m, 24h or 7d")
    repeat = reader.integer(entries["repeat"], "repeat", 1, MOST_ORDERS) if "repeat" in entries else 1
    label = reader.choice(entries["label"], "label", LABELS) if "label" in entries else None
    own = {name: value for name, value in _fields(reader, node, "an earlier order").items() if name not in HISTORY_KEYS}
    try:
        created = order.created_date - timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    except OverflowError:
        raise reader.error(entries["ago"], "ago is too long") from None
    event = _event(reader, node, {**values, "created_date": created.isoformat(), "order_id": "earlier", **own})
    return [PastOrder(event._replace(order_id=f"earlier-{count + each}"), label) for each in range(repeat)]


def _fields(reader: NodeReader, node: yaml.Node, what: str) -> dict[str, object]:
    reader.entries(node, what)
    values: dict[str, object] = reader.plain(node)
    attributes = values.pop("attributes", None)
    return {**values, **attributes} if isinstance(attributes, dict) else values


def _event(reader: NodeReader, node: yaml.Node, values: Mapping[str, object]) -> OrderEvent:
    payment = values["payment_method"]
    try:
        return EventDecoder([payment] if isinstance(payment, str) and payment.strip() else []).decode(
            orjson.dumps(values), _LATEST
        )
    except (BadEvent, TypeError, ValueError) as error:
        raise reader.error(node, f"not a valid order event: {error}") from None
