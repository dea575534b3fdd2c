"""Labelled orders: labels as history features count them, and labels that wait for their order."""

import sys
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson

from decision_engine.history.state import HistoryState
from order_contract.event import OrderEvent
from order_contract.label import Label

MOST_PENDING: Final = 500_000
"""How many labels may wait for their order; the one that has waited longest is dropped for another."""

LABEL_BYTES: Final = 340
"""What a label takes, with the order id."""
ORDER_BYTES: Final = 400
"""What an order of a label takes beside the values of its fields."""
ATTRIBUTES_BYTES: Final = 200
BYTES_OF_JSON_BYTE: Final = 10
"""What attributes take beside their content, and at most for each byte of it as JSON."""

COUNTED_AS: Final = {Label.FRAUD: "fraud", Label.CHARGEBACK: "fraud", Label.LEGITIMATE: "legitimate"}
"""The label that features declare, by that of the event."""

Place = tuple[int, int] | None
"""Partition and offset of an order on topic `orders`; None for one of an earlier topic of the name."""


class LabelRank(NamedTuple):
    """The place of a label among those of its order: the highest is the current one."""

    epoch: int
    offset: int
    partition: int


LabelEntry = tuple[str, str, LabelRank, list[tuple[Place, tuple[Any, ...]]]]
"""A label in a snapshot: id and label of the order, the label's rank, and the orders that count.

Their events may lack required fields, too: those that were read from the database have just what features need.
"""


class _Entry:
    """The current label of an order, and the orders of this id that count: one, or a duplicate beside it in flight."""

    __slots__ = ("label", "orders", "rank")

    def __init__(self) -> None:
        self.label: str | None = None
        self.rank: LabelRank | None = None
        self.orders: dict[Place, OrderEvent] = {}


class LabelledOrders:
    """Joins labels with the orders that count in the histories, whichever comes first.

    `enter` and `leave` are called for each order that begins or ceases to count. A label is in force from `apply` on;
    `await_orders` before that makes sure that orders of these ids that enter in the meantime are known.
    """

    def __init__(self, histories: HistoryState, *, most_pending: int = MOST_PENDING) -> None:
        self._histories = histories
        self._most_pending = most_pending
        self.by_order: dict[str, _Entry] = {}
        """Everything that is known of labels, by the ids of their orders; empty while there are none."""
        self._pending: OrderedDict[str, None] = OrderedDict()
        self._order_bytes = 0
        self.dropped = 0
        """Labels that were dropped, as too many waited."""

    @property
    def pending(self) -> int:
        """Labels that wait for their order."""
        return len(self._pending)

    @property
    def labelled(self) -> int:
        """Labels whose order counts."""
        return len(self.by_order) - len(self._pending)

    @property
    def size(self) -> int:
        """What all labels and their orders take, about, in bytes."""
        return len(self.by_order) * LABEL_BYTES + self._order_bytes

    @property
    def most_pending(self) -> int:
        """How many labels may wait for their order."""
        return self._most_pending

    def count_dropped(self, labels: int) -> None:
        """So many labels were dropped before they were applied, as too many wait."""
        self.dropped += labels

    def count_in(self, histories: HistoryState) -> None:
        """Apply labels to these histories from now on; they already include the current ones."""
        self._histories = histories

    def enter(self, event: OrderEvent, place: Place) -> None:
        """An order counts now."""
        entry = self.by_order.get(event.order_id)
        if entry is not None and place not in entry.orders:
            self._pending.pop(event.order_id, None)
            entry.orders[place] = event
            self._order_bytes += _order_bytes(event)
            if entry.label is not None:
                self._histories.add_label(event, entry.label)

    def leave(self, order_id: str, place: Place) -> None:
        """An order does not count any more."""
        entry = self.by_order.get(order_id)
        event = None if entry is None else entry.orders.pop(place, None)
        if entry is None or event is None:
            return
        self._order_bytes -= _order_bytes(event)
        if entry.label is not None:
            self._histories.remove_label(event, entry.label)
            if not entry.orders:
                self._wait(order_id)

    def await_orders(self, order_ids: Collection[str]) -> None:
        """Note orders of these ids from now on: a label of each is about to be applied."""
        for order_id in order_ids:
            if order_id not in self.by_order:
                self.by_order[order_id] = _Entry()

    def apply(self, order_id: str, label: Label, rank: LabelRank) -> None:
        """Let a label count, unless a newer one does."""
        entry = self.by_order.get(order_id)
        if entry is None:
            entry = self.by_order[order_id] = _Entry()
        if entry.rank is not None and entry.rank >= rank:
            return
        counted, before = COUNTED_AS[label], entry.label
        entry.label, entry.rank = counted, rank
        if before == counted:
            return
        for event in entry.orders.values():
            if before is not None:
                self._histories.remove_label(event, before)
            self._histories.add_label(event, counted)
        if before is None and not entry.orders:
            self._wait(order_id)

    def forget(self, until: datetime) -> Iterator[None]:
        """Drop the labels of orders that were created up to a time. Yields after each label, as labels may change."""
        for order_id in list(self.by_order):
            entry = self.by_order.get(order_id)
            if entry is not None and entry.orders:
                events = entry.orders.values()
                if all(event.created_date <= until for event in events):
                    self._order_bytes -= sum(map(_order_bytes, events))
                    del self.by_order[order_id]
            yield

    def entries(self) -> Iterator[LabelEntry]:
        """All labels, for a snapshot; those that wait in the order in which they came."""
        for order_id, entry in self.by_order.items():
            if entry.label is not None and entry.rank is not None:
                yield order_id, entry.label, entry.rank, list(entry.orders.items())

    def restore(self, entries: Iterable[LabelEntry]) -> None:
        """Take over the labels of a snapshot, whose histories count them already."""
        for order_id, label, rank, orders in entries:
            entry = self.by_order[order_id] = _Entry()
            entry.label, entry.rank = label, rank
            entry.orders = {place: OrderEvent._make(event) for place, event in orders}
            self._order_bytes += sum(map(_order_bytes, entry.orders.values()))
            if not orders:
                self._wait(order_id)

    def discard(self, order_id: str) -> None:
        """Drop an id that is awaited: its order is too old to count."""
        entry = self.by_order.get(order_id)
        if entry is not None and entry.label is None and not entry.orders:
            del self.by_order[order_id]

    def _wait(self, order_id: str) -> None:
        self._pending[order_id] = None
        if len(self._pending) > self._most_pending:
            oldest, _ = self._pending.popitem(last=False)
            del self.by_order[oldest]
            self.dropped += 1


def _order_bytes(event: OrderEvent) -> int:
    """What an order takes, about; attributes may have megabytes."""
    size = ORDER_BYTES + sum(map(sys.getsizeof, filter(None, event[:-1])))
    if event.attributes:
        size += ATTRIBUTES_BYTES + BYTES_OF_JSON_BYTE * len(orjson.dumps(event.attributes))
    return size
