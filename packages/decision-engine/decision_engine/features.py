"""Features: values derived from an order, and from earlier ones, that rules may use beside the order's own fields."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from order_contract.business_time import business_hour
from order_contract.event import OrderEvent

FEATURES: Mapping[str, type] = {"hour": int}
"""Every feature's name and type. `hour`: the business hour 0-23 in which the order was placed."""

Features = Mapping[str, Any]
"""The features of one order, by name; read-only."""

ROLLOUT: Final = "rollout"
"""Recorded with an order that was decided during a roll-out: the percentage, and what the other ruleset said."""

# Features are read-only, so orders of one hour share one dict.
_BY_HOUR: tuple[Features, ...] = tuple({"hour": hour} for hour in range(24))


class FeatureState(Protocol):
    """What is known when an order is decided: gives the values of its features."""

    def features(self, event: OrderEvent) -> Features:
        """The features of an order; read-only."""


class EventFeatures:
    """The features that follow from the order alone, without state."""

    def features(self, event: OrderEvent) -> Features:
        return _BY_HOUR[business_hour(event.created_date)]


class RecordedFeatures:
    """The features that an earlier decision recorded, to decide the same order again."""

    def __init__(self, recorded: Features) -> None:
        self._recorded = recorded

    def features(self, event: OrderEvent) -> Features:
        return self._recorded


class ChangedFeatures:
    """The FeatureState of another one with some values replaced."""

    def __init__(self, state: FeatureState, values: Mapping[str, Any]) -> None:
        self._state = state
        self._values = values

    def features(self, event: OrderEvent) -> Features:
        return {**self._state.features(event), **self._values}
