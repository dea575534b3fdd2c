"""Stored decisions as a replay reads them, in memory."""

from collections.abc import Collection, Iterable, Iterator

from decision_engine.replay.orders import DecidedOrder, Partition, StoredDecision
from order_contract.decision import OrderRow
from order_contract.event import OrderEvent


def decided_order(row: OrderRow) -> DecidedOrder:
    """A row of table orders as an order to decide again."""
    return DecidedOrder(
        row.event(),
        Partition(row.source_epoch, row.source_partition),
        row.source_offset,
        StoredDecision(*(getattr(row, name) for name in StoredDecision._fields)),
    )


class MemoryOrderLog:
    """The OrderLog of some orders."""

    def __init__(self, orders: Iterable[DecidedOrder]) -> None:
        self._orders: dict[Partition, list[tuple[int, OrderEvent]]] = {}
        for order in orders:
            self._orders.setdefault(order.partition, []).append((order.offset, order.event))
        for each in self._orders.values():
            each.sort()

    @property
    def partitions(self) -> Collection[Partition]:
        return self._orders.keys()

    def read(self, partition: Partition, first: int) -> Iterator[tuple[int, OrderEvent]]:
        return (each for each in self._orders[partition] if each[0] >= first)

    def read_back(self, partition: Partition, first: int, end: int) -> Iterator[tuple[int, OrderEvent]]:
        return (each for each in reversed(self._orders[partition]) if first <= each[0] < end)
