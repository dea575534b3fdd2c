"""Labels in past histories: those count that a detector had read when it decided an order."""

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from decision_engine.history.labelled_orders import COUNTED_AS, LabelRank
from decision_engine.history.state import HistoryState
from decision_engine.replay.orders import Partition, PlacedLabel
from order_contract.event import OrderEvent
from order_contract.seen import SeenLabels

_NONE: Final = SeenLabels(1, [])


class PastLabels:
    """Applies labels to histories and takes them back, so that exactly those count that had been read.

    `labels` are those of each partition of topic labels, in ascending order of offsets.
    """

    def __init__(self, states: Sequence[HistoryState], labels: Mapping[Partition, Sequence[PlacedLabel]]) -> None:
        self._states = states
        self._labels = labels
        self._applied = dict.fromkeys(labels, 0)
        self._labelled = {label.order_id for each in labels.values() for label in each}
        self._orders: dict[str, OrderEvent] = {}
        # All labels of an order that had been read; the highest is the current one.
        self._read: dict[str, list[tuple[LabelRank, str]]] = {}

    def enter(self, event: OrderEvent) -> None:
        """An order counts now."""
        if event.order_id in self._labelled:
            self._orders[event.order_id] = event
            self._count(event.order_id, self._current(event.order_id))

    def leave(self, event: OrderEvent) -> None:
        """An order does not count any more."""
        if event.order_id in self._labelled and event.order_id in self._orders:
            self._count_no_longer(event.order_id, self._current(event.order_id))
            del self._orders[event.order_id]

    def move_to(self, seen: SeenLabels | None) -> None:
        """Let exactly those labels count that had been read."""
        epoch, next_offsets = seen or _NONE
        for partition, labels in self._labels.items():
            end = len(labels)
            if partition.epoch == epoch:
                following = next_offsets[partition.number] if partition.number < len(next_offsets) else 0
                end = bisect_left(labels, (following,))
            elif partition.epoch > epoch:
                end = 0
            applied = self._applied[partition]
            for label in labels[applied:end]:
                self._apply(partition, label)
            for label in reversed(labels[end:applied]):
                self._take_back(partition, label)
            self._applied[partition] = end

    def forget(self, until: datetime) -> None:
        """Drop the orders that were created up to a time: they count no more."""
        for order_id in [key for key, event in self._orders.items() if event.created_date <= until]:
            del self._orders[order_id]

    def _apply(self, partition: Partition, label: PlacedLabel) -> None:
        before = self._current(label.order_id)
        insort(self._read.setdefault(label.order_id, []), _entry(partition, label))
        self._replace(label.order_id, before)

    def _take_back(self, partition: Partition, label: PlacedLabel) -> None:
        before = self._current(label.order_id)
        self._read[label.order_id].remove(_entry(partition, label))
        self._replace(label.order_id, before)

    def _replace(self, order_id: str, before: str | None) -> None:
        current = self._current(order_id)
        if current != before and order_id in self._orders:
            self._count_no_longer(order_id, before)
            self._count(order_id, current)

    def _current(self, order_id: str) -> str | None:
        labels = self._read.get(order_id)
        return labels[-1][1] if labels else None

    def _count(self, order_id: str, label: str | None) -> None:
        if label is not None:
            for state in self._states:
                state.add_label(self._orders[order_id], label)

    def _count_no_longer(self, order_id: str, label: str | None) -> None:
        if label is not None:
            for state in self._states:
                state.remove_label(self._orders[order_id], label)


def _entry(partition: Partition, label: PlacedLabel) -> tuple[LabelRank, str]:
    return LabelRank(partition.epoch, label.offset, partition.number), COUNTED_AS[label.label]
