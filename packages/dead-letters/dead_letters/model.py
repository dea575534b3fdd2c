"""A dead letter as it is recorded, its redrives, and what may be done with it."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from order_contract.origin import Origin
from order_contract.outcomes import MessageOutcome


class State(StrEnum):
    """What became of a dead letter: `open` until it is redriven, then what became of the last redrive."""

    OPEN = "open"
    PUBLISHING = "publishing"
    """A redrive was begun less than a minute ago."""
    UNCONFIRMED = "unconfirmed"
    """A redrive was begun, and nobody knows whether it was published: a crash, or a broker without an answer."""
    PENDING = "pending"
    """Published again, not decided yet."""
    STORED = "stored"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    DEAD_LETTER = "dead-letter"
    """Refused again: it is a new dead letter, with an origin of its own."""


# To redrive these once more can hardly be meant.
SETTLED = frozenset({State.PUBLISHING, State.PENDING, State.STORED, State.DUPLICATE})


class Letter(NamedTuple):
    """A message that became no order: `kind` is `dead-letter` or `conflict`."""

    origin: Origin
    kind: MessageOutcome
    order_id: str | None
    error_type: str
    error: str
    recorded_at: datetime
    redrives: int
    state: State


class Redrive(NamedTuple):
    """One attempt to publish a dead letter again; `published_as` is None until the broker acknowledged it."""

    attempt: int
    redriven_by: str
    corrected: bool
    started_at: datetime
    published_as: Origin | None
    published_at: datetime | None
    outcome: State


class Original(NamedTuple):
    """The message as it was published first, to the byte; `topic` is the one that still has it."""

    topic: str
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    value: bytes | None
