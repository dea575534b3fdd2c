"""Schema of rules: the fields, attributes, parameters, features and lists that a rule may name, with their types."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any

from decision_engine.features import FEATURES
from decision_engine.history.declaration import ATTRIBUTE
from decision_engine.yaml_nodes import Scalar
from order_contract.event import OrderEvent

Constant = Scalar | tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class OrderList:
    """A declared list of values: an order is in it by its `field`. `values` are members for good, by the ruleset."""

    name: str
    kind: str
    field: str
    values: frozenset[str] = frozenset()


def field_reader(field: str) -> Callable[[OrderEvent], Any]:
    """Reads a text field or attribute of an order; None where the order lacks it."""
    if not field.startswith(ATTRIBUTE):
        return itemgetter(OrderEvent._fields.index(field))
    name = field.removeprefix(ATTRIBUTE)

    def read(event: OrderEvent) -> str | None:
        value = (event.attributes or {}).get(name)
        return value if type(value) is str else None

    return read


@dataclass(frozen=True, slots=True)
class Schema:
    """What expressions may name, each with its type: int, float, str, bool or datetime.

    Every order has `fields`; `optional` fields and `attributes` can be absent, and so can `history` features.
    """

    fields: Mapping[str, type]
    features: Mapping[str, type]
    optional: Mapping[str, type] = field(default_factory=dict)
    attributes: Mapping[str, type] = field(default_factory=dict)
    history: Mapping[str, type] = field(default_factory=dict)
    parameters: Mapping[str, Constant] = field(default_factory=dict)
    lists: Mapping[str, OrderList] = field(default_factory=dict)

    @property
    def qualified_attributes(self) -> Mapping[str, type]:
        """The attributes as expressions name them, `attributes.name`, with their types."""
        return {ATTRIBUTE + name: kind for name, kind in self.attributes.items()}

    @property
    def types(self) -> Mapping[str, type]:
        """All names that have one value, with their types; attributes as `attributes.name`."""
        constants = {name: type(value) for name, value in self.parameters.items() if not isinstance(value, tuple)}
        declared = {**self.history, **constants, **self.qualified_attributes}
        return {**self.fields, **self.optional, **self.features, **declared}

    @property
    def may_be_absent(self) -> frozenset[str]:
        """The names of `types` that an order can lack."""
        return frozenset((*self.optional, *self.history, *self.qualified_attributes))


_FIELDS: Mapping[str, type] = {
    "order_id": str,
    "user_id": str,
    "product_id": str,
    "quantity": int,
    "amount": int,
    "currency": str,
    "payment_method": str,
    "country": str,
    "created_date": datetime,
}
_OPTIONAL: Mapping[str, type] = {
    "device_id": str,
    "ip_address": str,
    "voucher_code": str,
    "email": str,
    "shipping_country": str,
    "account_created_date": datetime,
}

DEFAULT_SCHEMA = Schema(_FIELDS, FEATURES, _OPTIONAL)
"""What the order event and the features of this release offer."""
