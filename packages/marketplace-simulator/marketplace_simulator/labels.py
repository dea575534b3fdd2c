"""Labels of simulated fraud: what an order of a pattern turns out to be, and how long after it."""

from typing import Final, NamedTuple

from marketplace_simulator.fraud_patterns import ForeignCard, NightBurst
from marketplace_simulator.seeded_random import SeededRandom
from order_contract.label import Label

_CARD_PATTERNS: Final = frozenset({ForeignCard.name, NightBurst.name})
"""Patterns whose victim notices: the bank charges the payment back."""


class SimulatedLabel(NamedTuple):
    """A label, its source, and its delay as a multiple of the usual one, from 0.5 to 1.5."""

    label: Label
    source: str
    delay: float


def label_of(order_id: str, pattern: str) -> SimulatedLabel:
    """The label of an order of a fraud pattern; the same for the same order."""
    delay = 0.5 + SeededRandom("label", order_id).fraction()
    if pattern in _CARD_PATTERNS:
        return SimulatedLabel(Label.CHARGEBACK, "bank", delay)
    return SimulatedLabel(Label.FRAUD, "analyst", delay)
