"""What a replay reads: orders with the decisions on them, and labels, by their places on the topics."""

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple, Protocol

from order_contract.event import OrderEvent
from order_contract.label import Label

ERASED: Final = "{}"
"""The recorded features of an order of an erased person: every other order has some."""


class Partition(NamedTuple):
    """A partition of one creation of a topic."""

    epoch: int
    number: int


class StoredDecision(NamedTuple):
    """A decision as it is stored; `hits` and `features` are JSON text.

    `seen` and `lists_seen` are what the detector had read: see `order_contract.decision.OrderRow`.
    """

    seen: bytes | None
    lists_seen: int | None
    status: str
    outcome: str
    risk_score: int
    hits: str
    features: str
    ruleset_version: str

    @property
    def is_erased(self) -> bool:
        """Whether it is of an erased person."""
        return self.features == ERASED


class DecidedOrder(NamedTuple):
    """An order with its place and the decision on it."""

    event: OrderEvent
    partition: Partition
    offset: int
    decision: StoredDecision


class PlacedLabel(NamedTuple):
    """A label of an order, and its offset in its partition of topic labels."""

    offset: int
    order_id: str
    label: Label


class OrderLog(Protocol):
    """The stored orders of one topic that history features may see, by partition and offset."""

    @property
    def partitions(self) -> Collection[Partition]:
        """All partitions that have orders."""

    def read(self, partition: Partition, first: int) -> Iterator[tuple[int, OrderEvent]]:
        """The orders from an offset on, each with its offset, in ascending order."""

    def read_back(self, partition: Partition, first: int, end: int) -> Iterator[tuple[int, OrderEvent]]:
        """The orders from an offset on and before another one, in descending order."""
