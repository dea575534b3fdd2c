"""Staged orders: what a replay reads of a source, in a temporary file, by partition and offset.

A source is read once, in any order. A replay then reads partitions in the order of offsets, several of them side by
side and from several processes, and sometimes goes back; memory holds none of it.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from decision_engine.replay.orders import DecidedOrder, Partition, StoredDecision
from order_contract.event import OrderEvent

_CREATE: Final = """
    create table orders (
        epoch integer, number integer, "offset" integer, event blob, decision blob,
        primary key (epoch, number, "offset")
    ) without rowid;
"""
# Rows are a few hundred bytes. The file is deleted after use: no crash needs to be survived.
_SETTINGS: Final = "pragma page_size = 16384; pragma journal_mode = off; pragma synchronous = off;"
_ADD: Final = "insert into orders values (?, ?, ?, ?, ?)"
_READ: Final = 'select "offset", event from orders where epoch = ? and number = ? and "offset" >= ? order by "offset"'
_READ_BACK: Final = """
    select "offset", event from orders where epoch = ? and number = ? and "offset" >= ? and "offset" < ?
    order by "offset" desc
"""
_DECIDED: Final = """
    select "offset", event, decision from orders
    where epoch = ? and number = ? and "offset" >= ? and decision is not null
    order by "offset"
"""


StagedOrder = tuple[Partition, int, OrderEvent, StoredDecision | None]
"""An order with its place; with its decision when it is to be decided again."""


class StagedOrders:
    """The OrderLog in a file. `add` all orders, and `finish`; then read them, in other processes by the same path."""

    def __init__(self, path: Path) -> None:
        self._path = path
        is_new = not path.exists()
        self._connection = sqlite3.connect(path, isolation_level=None)
        if is_new:
            self._connection.executescript(_SETTINGS + _CREATE)
            self._connection.execute("begin")
        self._encoder = msgspec.msgpack.Encoder()
        # Earlier orders have the fields that features read, and nothing in the others.
        self._events = msgspec.msgpack.Decoder(tuple)
        self._decisions = msgspec.msgpack.Decoder(StoredDecision)
        self._partitions: Sequence[Partition] | None = None

    def add(self, orders: Iterable[StagedOrder]) -> None:
        """Stage some orders. Raises sqlite3.OperationalError when the disk is full."""
        encode = self._encoder.encode
        self._connection.executemany(
            _ADD,
            (
                (*partition, offset, encode(event), None if decision is None else encode(decision))
                for partition, offset, event, decision in orders
            ),
        )

    def finish(self) -> None:
        """All orders are staged."""
        self._connection.execute("commit")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @property
    def partitions(self) -> Sequence[Partition]:
        """All partitions that have orders, in ascending order."""
        if self._partitions is None:
            found = self._connection.execute("select distinct epoch, number from orders order by 1, 2")
            self._partitions = [Partition(*row) for row in found]
        return self._partitions

    def read(self, partition: Partition, first: int) -> Iterator[tuple[int, OrderEvent]]:
        """The orders from an offset on, each with its offset, in ascending order."""
        for offset, event in self._connection.execute(_READ, (*partition, first)):
            yield offset, OrderEvent._make(self._events.decode(event))

    def read_back(self, partition: Partition, first: int, end: int) -> Iterator[tuple[int, OrderEvent]]:
        """The orders from an offset on and before another one, in descending order."""
        for offset, event in self._connection.execute(_READ_BACK, (*partition, first, min(end, 2**62))):
            yield offset, OrderEvent._make(self._events.decode(event))

    def decided(self, partition: Partition, first: int = 0) -> Iterator[DecidedOrder]:
        """The orders that are to be decided again, from an offset on, in ascending order of offsets."""
        for offset, event, decision in self._connection.execute(_DECIDED, (*partition, first)):
            yield DecidedOrder(
                OrderEvent._make(self._events.decode(event)), partition, offset, self._decisions.decode(decision)
            )
