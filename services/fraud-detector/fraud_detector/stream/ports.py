"""Ports of the pipeline: what it needs of the broker and the database, with their lifecycle and errors.

The real adapters are `kafka_consumer`, `kafka_publisher` and `postgres_store`; the simulation has fakes, and both pass
the same tests (`tests/ports`).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from decision_engine.ruleset import Ruleset
from fraud_detector.stream.batch import Batch, Gap, StoreResult
from order_contract.dead_letter_record import RejectedMessage
from order_contract.decision import OrderRow
from order_contract.decision_record import PublishedOrder
from order_contract.message import Message
from order_contract.ruleset_pointer import RulesetPointer


class DependencyUnavailableError(Exception):
    """A dependency is unavailable or cannot serve the request now; the same call may succeed later."""


class UnstoredOrdersError(Exception):
    """Orders of a batch that count in history features would not be stored: nothing was stored.

    `origins` are their (partition, offset): duplicates, conflicts, orders of retired dates.
    """

    def __init__(self, origins: Collection[tuple[int, int]]) -> None:
        super().__init__(f"{len(origins)} orders that count in history features are not stored")
        self.origins = origins


class CommitRefusedError(Exception):
    """The partitions have moved to another member: nothing to do, it reads what was not committed again."""


class ActionRequiredError(Exception):
    """The detector cannot continue until the operator acts; the text says what to do."""


class LostOffsetsError(ActionRequiredError):
    """The offset to resume at is not on the topic: reading on would skip messages silently."""


class AcceptedLossError(LostOffsetsError):
    """Offsets were deleted before they were read, which the settings accept: open `partition` again."""

    def __init__(self, message: str, partition: int) -> None:
        super().__init__(message)
        self.partition = partition


class RefusedError(ActionRequiredError):
    """The broker refuses what no retry cures, such as a missing permission; the text says what to change."""


class PublishRefusedError(RefusedError):
    """The broker refuses what is published."""


class DeadLetterLimitError(ActionRequiredError):
    """More messages are bad data than the settings allow; the text says where to look."""


class RebalanceListener(Protocol):
    """What is notified of rebalances."""

    async def revoked(self) -> None:
        """All partitions are about to be taken away; they stay assigned until this returns."""

    def assigned(self, partitions: Collection[int]) -> None:
        """These are assigned now; they stay paused until `OrderConsumer.resume`."""


class OrderConsumer(Protocol):
    """Topic `orders`, as one member of the consumer group reads it: `identify`, `bind`, `join`, .., `close`."""

    async def identify(self) -> UUID | None:
        """Connect and read the topic's id; None when the broker gives none.

        Raises DependencyUnavailableError, RefusedError.
        """

    def bind(self, epoch: int) -> None:
        """Commit for this epoch of the topic: see `Origin`."""

    async def join(self, listener: RebalanceListener) -> None:
        """Connect and ask for a share of the partitions. Raises DependencyUnavailableError."""

    async def close(self) -> None:
        """Leave the group, so that others get the partitions at once rather than after the session time-out."""

    async def lags(self) -> Mapping[int, int]:
        """Messages behind, by assigned partition; a round trip that shows whether the broker responds.

        Raises DependencyUnavailableError, RecreatedTopicError.
        """

    async def poll(self, max_messages: int, wait_seconds: float) -> Mapping[int, Sequence[Message]]:
        """Messages by partition, in offset order; waits up to `wait_seconds` for the first, may return nothing.

        Raises DependencyUnavailableError, LostOffsetsError, RecreatedTopicError.
        """

    async def confirm_polled(self) -> None:
        """Make sure that what was polled until now is of the topic that was opened: nothing is stored before.

        Raises DependencyUnavailableError, RecreatedTopicError.
        """

    async def keep_alive(self) -> None:
        """Poll without reading: a member that stops polling is expelled from the group."""

    async def start_offsets(self, partitions: Collection[int]) -> tuple[dict[int, int], list[Gap]]:
        """Where to resume: the committed offset, or the beginning for a new group; and gaps that were accepted.

        Raises DependencyUnavailableError; LostOffsetsError when that offset is not on the topic any more, unless the
        settings accept it; RecreatedTopicError.
        """

    def resume(self, offsets: Mapping[int, int]) -> None:
        """Read on from these offsets; partitions that are not assigned any more are passed over."""

    async def commit(self, offsets: Mapping[int, int]) -> None:
        """Commit next offsets by partition. Raises DependencyUnavailableError, CommitRefusedError."""


class DecisionStore(Protocol):
    """Where decisions are stored, one per order, beside the outcome of every message: `bind`, .., `close`."""

    async def bind(self, topic_id: UUID | None) -> int:
        """Find which epoch of the topic the group reads, and record for that one; `topic_id` is the topic's id now.

        Raises DependencyUnavailableError, RecreatedTopicError.
        """

    async def store(self, batch: Batch) -> StoreResult:
        """Record exactly one outcome for every message of the batch, durably, in one transaction; idempotent.

        The first decision of an order stays, and of several in a batch the first in its sequence. Raises
        DependencyUnavailableError, after which it may or may not have happened; and for a batch with history
        UnstoredOrdersError, unless the orders are among its `uncounted` ones.
        """

    async def record_rulesets(self, rulesets: Sequence[Ruleset]) -> None:
        """Record the rulesets that decide next, before anything is decided by them.

        Raises DependencyUnavailableError.
        """

    async def record_positions(self, next_offsets: Mapping[int, int]) -> None:
        """Record how far the group has finished, by partition, before that is committed.

        Raises DependencyUnavailableError.
        """

    async def check(self) -> bool:
        """Make a round trip to the database; False when it was left out, as something is being stored.

        Raises DependencyUnavailableError.
        """

    async def disconnect(self) -> None:
        """Close the connection once nothing is being stored; the next batch makes a new one, when it can."""

    async def close(self) -> None:
        """Close the connection, if there is one."""


class DecisionPublisher(Protocol):
    """Topics `decisions` and `orders.dlq`; `close` ends its use."""

    async def publish(self, orders: Sequence[OrderRow], dead_letters: Sequence[RejectedMessage]) -> Mapping[int, int]:
        """Publish stored decisions and dead letters; returns when the broker has acknowledged them all.

        Within a partition, a decision is sent in a batch with those before it or once they are acknowledged, so that
        the first records of a partition's orders are in its sequence. Returns offsets of topic `decisions`, by its
        partitions: everything that was published before this call is before them.

        Raises DependencyUnavailableError, after which some may have been published: a repeat is identical to the byte;
        PublishRefusedError for what no retry cures.
        """

    async def close(self) -> None:
        """Disconnect."""


class PublishedOrders(Protocol):
    """Topic `decisions`, read without a group: the orders that are stored, in the sequence of their partitions.

    Positions and ends are offsets by partition of `decisions`.
    """

    async def reopen(self, positions: Mapping[int, int]) -> None:
        """Connect again and read all partitions that there are now: these on from their positions, others as before.

        A partition that was never read is read from its beginning. Raises DependencyUnavailableError.
        """

    def pause(self, partitions: Collection[int]) -> None:
        """Read all partitions but those to which the decisions of these partitions of `orders` go."""

    async def poll(self, wait_seconds: float) -> Sequence[PublishedOrder]:
        """The next orders; waits up to `wait_seconds` for the first, may return none.

        Raises DependencyUnavailableError.
        """

    async def ends(self, partitions: Collection[int] | None = None) -> Mapping[int, int]:
        """The ends of the partitions of `decisions` for these of `orders`, or of all.

        Raises DependencyUnavailableError.
        """

    @property
    def positions(self) -> Mapping[int, int]:
        """Where the next poll reads on."""

    async def records_since(self, positions: Mapping[int, int]) -> int | None:
        """How many records there are from these positions on; None when one is not on the topic.

        Partitions without a position count from their beginning. Raises DependencyUnavailableError.
        """

    def has_reached(self, ends: Mapping[int, int]) -> bool:
        """Whether everything before these ends was returned by `poll`."""

    async def close(self) -> None:
        """Disconnect."""


class StoredRuleset(NamedTuple):
    """A ruleset version and its content, YAML that includes nothing."""

    version: str
    content: str


class ActiveRulesets(NamedTuple):
    """The active version and, during a roll-out, the candidate beside it."""

    pointer: RulesetPointer
    stable: StoredRuleset
    candidate: StoredRuleset | None = None


class RulesetVersions(Protocol):
    """Where the active version is found."""

    async def wait_for_other(self, known: RulesetPointer) -> ActiveRulesets:
        """Wait until the pointer is another one than `known`. Outages are waited out."""
