"""The detector's ports: what the pipeline needs of the broker and the database.

The real adapters are `kafka_log`, `kafka_announcer` and `postgres_store`; the simulation has fakes, and both pass
the same contract tests.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from fraud_detector.stream.batch import Batch, Stored
from fraud_detector.stream.message import Gap
from order_contract.dead_letter_record import RejectedMessage
from order_contract.decision import OrderRow
from order_contract.message import Message


class UnavailableError(Exception):
    """A dependency is away or answered that it cannot now; the same call may go through later."""


class CommitRefusedError(Exception):
    """The partitions have moved to another member: nothing to do, it reads what was not committed again."""


class LostOffsetsError(Exception):
    """The offset to resume at is not on the topic: reading on would skip messages in silence."""


class AcceptedLossError(LostOffsetsError):
    """Offsets were deleted before they were read, which the settings accept: open `partition` again."""

    def __init__(self, message: str, partition: int) -> None:
        super().__init__(message)
        self.partition = partition


class RecreatedTopicError(Exception):
    """The topic was deleted and created again: which messages to read is the operator's decision."""


class RefusedError(Exception):
    """The broker refuses what no retry cures, such as a missing permission; the text says what to change."""


class PublishRefusedError(RefusedError):
    """The broker refuses what is published."""


class Assignee(Protocol):
    """Whoever is told of rebalances."""

    async def revoked(self) -> None:
        """All partitions are about to be taken away; they stay ours until this returns."""

    def assigned(self, partitions: Collection[int]) -> None:
        """These are ours now; they stay paused until `OrderLog.resume`."""


class OrderLog(Protocol):
    """Topic `orders`, as one member of the consumer group reads it."""

    async def poll(self, max_messages: int, wait_seconds: float) -> Mapping[int, Sequence[Message]]:
        """Messages by partition, in offset order; waits up to `wait_seconds` for the first, may return nothing.

        Raises UnavailableError, LostOffsetsError, RecreatedTopicError.
        """

    async def confirm_polled(self) -> None:
        """Make sure that what was polled until now is of the topic that was opened: nothing is stored before.

        Raises UnavailableError, RecreatedTopicError.
        """

    async def keep_alive(self) -> None:
        """Poll without reading: a member that stops polling is thrown out of the group."""

    async def start_offsets(self, partitions: Collection[int]) -> tuple[dict[int, int], list[Gap]]:
        """Where to resume: the committed offset, or the beginning for a new group; and gaps that were accepted.

        Raises UnavailableError; LostOffsetsError when that offset is not on the topic any more, unless the settings
        accept it; RecreatedTopicError.
        """

    def resume(self, offsets: Mapping[int, int]) -> None:
        """Read on from these offsets; partitions that are not ours any more are passed over."""

    async def commit(self, offsets: Mapping[int, int]) -> None:
        """Commit next offsets by partition. Raises UnavailableError, CommitRefusedError."""


class DecisionStore(Protocol):
    """Where decisions stand, one per order, beside the outcome of every message."""

    async def store(self, batch: Batch) -> Stored:
        """Record exactly one outcome for every message of the batch, durably, in one transaction; idempotent.

        The first decision of an order stands. Raises UnavailableError, after which it may or may not have happened.
        """

    async def record_positions(self, next_offsets: Mapping[int, int]) -> None:
        """Record where the group is, by partition, after it was committed. Raises UnavailableError."""


class Announcer(Protocol):
    """Topics `decisions` and `orders.dlq`."""

    async def announce(self, orders: Sequence[OrderRow], dead_letters: Sequence[RejectedMessage]) -> None:
        """Publish stored decisions and dead letters; returns when the broker has acknowledged them all.

        Raises UnavailableError, after which some may have been published: a repeat is identical to the byte;
        PublishRefusedError for what no retry cures.
        """
