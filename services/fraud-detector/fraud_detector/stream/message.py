"""Offsets that hold no message for this consumer."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets [first, next) of a partition that hold no message for us; `reason` says why as far as we know."""

    partition: int
    first: int
    next: int
    reason: str
