"""Batches: messages on their way through the pipeline, from decided to stored to published."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from order_contract.dead_letter_record import RejectedMessage
from order_contract.decision import OrderRow
from order_contract.message import Message


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets [first, next) of a partition that hold no message to read; `reason` says why as far as is known."""

    partition: int
    first: int
    next: int
    reason: str


@dataclass(frozen=True, slots=True)
class StoreResult:
    """Outcomes of a batch's orders in the store.

    `orders` are the rows that are stored for this batch's own origins, as stored: to be published. Conflicts and orders
    of retired dates come as dead letters.
    """

    orders: Sequence[OrderRow]
    duplicates: int = 0
    conflicts: Sequence[RejectedMessage] = ()
    retired: Sequence[RejectedMessage] = ()


@dataclass(slots=True)
class Batch:
    """Consecutive messages of some partitions; in offset order within each partition.

    Decided: `orders` pairs each row with its message. `next_offsets` is what may be committed for a partition once
    everything here is stored and published. Stored: `result` holds what is to be published besides the dead letters,
    and `assignment` the number of the assignment of partitions in which it was stored. `uncounted` are the (partition,
    offset) of orders that do not count in history features, as they are known not to be stored by this batch, and
    `read_before` is how far the histories had read its partitions before it was decided. While it is decided again, the
    first `redecided` of its orders are decided; all of them when that is None.
    """

    orders: list[tuple[OrderRow, Message]] = field(default_factory=list)
    dead_letters: list[RejectedMessage] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    next_offsets: dict[int, int] = field(default_factory=dict)
    value_bytes: int = 0
    result: StoreResult = StoreResult(())
    assignment: int = 0
    has_history: bool = False
    uncounted: set[tuple[int, int]] = field(default_factory=set)
    read_before: dict[int, int] = field(default_factory=dict)
    redecided: int | None = None

    def __len__(self) -> int:
        return len(self.orders) + len(self.dead_letters)

    def decided(self) -> Sequence[tuple[OrderRow, Message]]:
        """The orders that are decided, and counted unless they are among the uncounted ones."""
        return self.orders if self.redecided is None else self.orders[: self.redecided]

    def extend(self, later: "Batch") -> None:
        """Append what was decided after this."""
        self.orders += later.orders
        self.dead_letters += later.dead_letters
        self.gaps += later.gaps
        self.next_offsets.update(later.next_offsets)
        self.value_bytes += later.value_bytes
        self.uncounted |= later.uncounted
        self.read_before = {**later.read_before, **self.read_before}
