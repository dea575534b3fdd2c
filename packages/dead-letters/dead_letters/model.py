"""Dead letters as they are recorded, their redrives, and their original messages."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from order_contract.origin import Origin
from order_contract.outcomes import MessageOutcome


class RedriveState(StrEnum):
    """The state of a dead letter: `open` until it is redriven, then the state of its last redrive."""

    OPEN = "open"
    PUBLISHING = "publishing"
    """A redrive was begun less than a minute ago."""
    UNCONFIRMED = "unconfirmed"
    """A redrive was begun, and whether it was published is not known: the process or the broker failed."""
    PENDING = "pending"
    """Published again, not decided yet."""
    STORED = "stored"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    DEAD_LETTER = "dead-letter"
    """Rejected again: it is a new dead letter, with its own origin."""


# Redriving these again requires `again`.
SETTLED = frozenset({RedriveState.PUBLISHING, RedriveState.PENDING, RedriveState.STORED, RedriveState.DUPLICATE})


class DeadLetter(NamedTuple):
    """A rejected message as it is recorded; `kind` is `dead-letter` or `conflict`.

    `error_type` is text, as another release may have recorded a type that this one does not know.
    """

    origin: Origin
    kind: MessageOutcome
    order_id: str | None
    error_type: str
    error: str
    recorded_at: datetime
    redrives: int
    state: RedriveState


class Redrive(NamedTuple):
    """One attempt to publish a dead letter again; `published_as` is None until the broker acknowledged it."""

    attempt: int
    redriven_by: str
    corrected: bool
    started_at: datetime
    published_as: Origin | None
    published_at: datetime | None
    outcome: RedriveState


class OriginalMessage(NamedTuple):
    """The message as it was published first, to the byte; `topic` is the one that still has it."""

    topic: str
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    value: bytes | None
