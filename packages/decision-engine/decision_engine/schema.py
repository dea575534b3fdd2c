"""Schema of rules: the fields and features that a rule may name, with their types."""

from collections.abc import Mapping
from dataclasses import dataclass

from decision_engine.features import FEATURES


@dataclass(frozen=True, slots=True)
class Schema:
    """The event's `fields` and the `features` that expressions may name, each with its type."""

    fields: Mapping[str, type]
    features: Mapping[str, type]

    @property
    def types(self) -> Mapping[str, type]:
        """All names with their types."""
        return {**self.fields, **self.features}


# The event's fields that every order has: an expression over them always has a value.
_FIELDS: Mapping[str, type] = {
    "order_id": str,
    "user_id": str,
    "product_id": str,
    "quantity": int,
    "amount": int,
    "currency": str,
    "payment_method": str,
    "country": str,
}

DEFAULT_SCHEMA = Schema(_FIELDS, FEATURES)
"""What the order event and the features of this release offer."""
