"""Declaration of a history feature: what is aggregated, over which orders, in which window."""

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from order_contract.event import OrderEvent

SECOND: Final = 1_000_000
"""Microseconds of a second: windows and times are integers of microseconds."""

SHORTEST_WINDOW: Final = 60 * SECOND
LONGEST_WINDOW: Final = 30 * 24 * 3_600 * SECOND


class Aggregate(StrEnum):
    """What a feature computes of the orders in its window."""

    COUNT = "count"
    SUM = "sum"
    AVERAGE = "avg"
    MINIMUM = "min"
    MAXIMUM = "max"
    DEVIATION = "stddev"
    """Of a sample, so it takes two orders."""
    DISTINCT = "distinct"
    SECONDS_SINCE_FIRST = "seconds_since_first"
    SECONDS_SINCE_LAST = "seconds_since_last"
    RATIO_TO_AVERAGE = "ratio_to_avg"
    """The order's own value divided by the average of the others."""
    LABEL_COUNT = "label_count"
    """Orders with the feature's label."""
    LABEL_SHARE = "label_share"
    """Orders with the feature's label, divided by all orders."""
    LABEL_DISTINCT = "label_distinct"
    """Different values of a field in orders with the feature's label."""


OVER_NUMBERS: Final = frozenset(
    {
        Aggregate.SUM,
        Aggregate.AVERAGE,
        Aggregate.MINIMUM,
        Aggregate.MAXIMUM,
        Aggregate.DEVIATION,
        Aggregate.RATIO_TO_AVERAGE,
    }
)
"""Aggregates of a field that holds integers; those of `amount` are within one currency."""

OVER_LABELS: Final = frozenset({Aggregate.LABEL_COUNT, Aggregate.LABEL_SHARE, Aggregate.LABEL_DISTINCT})
"""Aggregates of labelled orders."""

OVER_TEXTS: Final = frozenset({Aggregate.DISTINCT, Aggregate.LABEL_DISTINCT})
"""Aggregates of a field that holds text."""

WITHOUT_ORDERS: Final = {
    Aggregate.COUNT: 0,
    Aggregate.SUM: 0,
    Aggregate.DISTINCT: 0,
    Aggregate.LABEL_COUNT: 0,
    Aggregate.LABEL_DISTINCT: 0,
}
"""The values of aggregates when no order is in the window; the others are absent then."""

ATTRIBUTE: Final = "attributes."
"""What the name of an attribute begins with, as part of a key. Text and integers count; other values are absent."""

OPTIONAL_FIELDS: Final = frozenset(
    {"device_id", "ip_address", "voucher_code", "email", "shipping_country", "account_created_date"}
)
"""Fields that an order may lack: it then has no features of such a key, and is in no history of it."""


@dataclass(frozen=True, slots=True)
class HistoryFeature:
    """One declared feature.

    `key` names one or two fields of the order event, or attributes as `attributes.name`; `field` is what is aggregated,
    None for aggregates of the orders themselves; `window` is in microseconds. Only orders for which `condition` holds
    count, all when it is None; `where` is its text, and `constants` are the parameters and attributes in it, each with
    its type and a parameter's value. `label` is that of aggregates over labels.
    """

    name: str
    aggregate: Aggregate
    key: tuple[str, ...]
    window: int
    field: str | None = None
    where: str | None = None
    label: str | None = None
    condition: Callable[[OrderEvent], bool] | None = dataclasses.field(default=None, compare=False, repr=False)
    constants: tuple[tuple[str, type, object], ...] = dataclasses.field(default=(), repr=False)

    @property
    def is_money(self) -> bool:
        """Whether it is computed from amounts, of the order's own currency only."""
        return self.field == "amount" and self.aggregate in OVER_NUMBERS

    @property
    def definition(self) -> str:
        """Everything that its values depend on, as text."""
        constants = [f"{name}: {kind.__name__} = {value!r}" for name, kind, value in self.constants]
        return ", ".join((repr(self), *constants))


def longest_window(features: Iterable[HistoryFeature]) -> timedelta:
    """The longest window of some features; none at all without features."""
    return timedelta(microseconds=max((feature.window for feature in features), default=0))
