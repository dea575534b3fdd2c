"""The outcomes of consumed messages, as table `stream_outcomes` and the metrics name them."""

from enum import StrEnum


class MessageOutcome(StrEnum):
    """What a consumed message became: exactly one of these for each origin."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    DEAD_LETTER = "dead-letter"
