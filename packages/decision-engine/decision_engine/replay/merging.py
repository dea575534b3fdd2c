"""The sequence in which the orders of several partitions are decided again by the same histories."""

import heapq
from collections.abc import Iterable, Iterator

from decision_engine.replay.orders import DecidedOrder, Partition
from order_contract.seen import decode_seen


def merge_by_seen(partitions: Iterable[Iterator[DecidedOrder]]) -> Iterator[DecidedOrder]:
    """Orders of partitions by how much had been seen of all partitions when they were decided.

    What one detector sees only grows, so its orders are in the sequence in which it decided them: histories that are
    brought from one to the next never take an order back.
    """
    return heapq.merge(*partitions, key=_SeenTotals().total)


class _SeenTotals:
    def __init__(self) -> None:
        # By partition, as the orders of one batch have the same bytes.
        self._others: dict[Partition, tuple[bytes | None, int]] = {}

    def total(self, order: DecidedOrder) -> tuple[int, int]:
        """The epoch, and the number of offsets that had been seen by an order."""
        seen, others = self._others.get(order.partition, (None, 0))
        if order.decision.seen is not None and order.decision.seen != seen:
            others = sum(decode_seen(order.decision.seen, order.partition.number, 0))
            self._others[order.partition] = order.decision.seen, others
        return order.partition.epoch, others + order.offset
