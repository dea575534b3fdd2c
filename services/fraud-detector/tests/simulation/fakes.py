"""Fakes of the detector's ports: a broker and a database in memory, which fail as a script of choices makes them.

They pass the tests of the real adapters (tests/ports), so what the simulation shows of the pipeline
holds on the real ones. A call of a member that was killed has no effect any more, unless it was under way.
"""

import asyncio
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from decision_engine.ruleset import Ruleset
from fraud_detector.labels.labelling import StoredOrder
from fraud_detector.stream.batch import Batch, Gap, StoreResult
from fraud_detector.stream.ports import (
    CommitRefusedError,
    DependencyUnavailableError,
    RebalanceListener,
    UnstoredOrdersError,
)
from order_contract.dead_letter_record import RejectedMessage
from order_contract.decision import OrderRow
from order_contract.decision_record import PublishedOrder, encode_decision
from order_contract.error_types import ErrorType
from order_contract.event import fingerprint
from order_contract.label import LabelEvent
from order_contract.label_record import encode_label, label_key
from order_contract.message import Message
from simulation.scripted_random import ScriptedRandom

Origin = tuple[int, int]


@dataclass(frozen=True, slots=True)
class FakeMessage:
    """A message on the fake topic."""

    partition: int
    offset: int
    value: bytes | None
    key: bytes | None = None
    timestamp: int = 1_796_000_000_000
    headers: Sequence[tuple[str, bytes]] = ()
    topic: str = "orders"


@dataclass
class FakeDatabase:
    """Tables `orders`, `stream_outcomes`, `stream_gaps`, `group_positions` and `rulesets`."""

    orders: dict[str, OrderRow] = field(default_factory=dict)
    outcomes: dict[Origin, str] = field(default_factory=dict)
    gaps: set[Gap] = field(default_factory=set)
    positions: dict[int, int] = field(default_factory=dict)
    rulesets: set[str] = field(default_factory=set)

    def outcome(self, origin: Origin) -> list[str]:
        """Every outcome that is recorded for an origin; there should be one."""
        stored = ["stored" for row in self.orders.values() if (row.source_partition, row.source_offset) == origin]
        return stored + ([self.outcomes[origin]] if origin in self.outcomes else [])

    def record(self, batch: Batch) -> StoreResult:
        """What the real store's transaction does."""
        self._require_uncounted(batch)
        orders: list[OrderRow] = []
        conflicts: list[RejectedMessage] = []
        duplicates = 0
        for row, message in batch.orders:
            origin = (row.source_partition, row.source_offset)
            stored = self.orders.setdefault(row.order_id, row)
            prints = fingerprint(stored.event()), fingerprint(row.event())
            if prints[0] != prints[1]:
                conflicts.append(
                    RejectedMessage(message, ErrorType.CONFLICT, "other content", None, row.order_id, prints)
                )
                self.outcomes.setdefault(origin, "conflict")
            elif (stored.source_partition, stored.source_offset) == origin:
                orders.append(stored)
            else:
                duplicates += 1
                self.outcomes.setdefault(origin, "duplicate")
        for letter in batch.dead_letters:
            self.outcomes.setdefault((letter.message.partition, letter.message.offset), "dead-letter")
        self.gaps.update(batch.gaps)
        return StoreResult(orders, duplicates, conflicts)

    def _require_uncounted(self, batch: Batch) -> None:
        if not batch.has_history:
            return
        first: dict[str, Origin] = {
            order_id: (row.source_partition, row.source_offset) for order_id, row in self.orders.items()
        }
        origins = [(row.order_id, (row.source_partition, row.source_offset)) for row, _ in batch.orders]
        unstored = {origin for order_id, origin in origins if first.setdefault(order_id, origin) != origin}
        if unstored - batch.uncounted:
            raise UnstoredOrdersError(unstored - batch.uncounted)


class FakeStore:
    """A member's connection to the database; storing takes `seconds`, and may fail before, or after it happened."""

    def __init__(self, database: FakeDatabase, random: ScriptedRandom) -> None:
        self._database = database
        self._random = random
        self.killed = False
        self.seconds = 0.0

    async def store(self, batch: Batch) -> StoreResult:
        await asyncio.sleep(self.seconds)
        await self._random.pause()
        fate = self._random.choose(6)
        # What a killed process had sent may or may not have arrived.
        if fate == 4 or (self.killed and fate % 2 == 0):
            raise DependencyUnavailableError("the database is unavailable")
        stored = self._database.record(batch)
        await self._random.pause()
        if fate == 5:
            raise DependencyUnavailableError("the response was lost")
        return stored

    async def record_rulesets(self, rulesets: Sequence[Ruleset]) -> None:
        await self._random.pause()
        if self._random.choose(6) == 3 or self.killed:
            raise DependencyUnavailableError("the database is unavailable")
        self._database.rulesets.update(ruleset.version for ruleset in rulesets)

    async def record_positions(self, next_offsets: Mapping[int, int]) -> None:
        await self._random.pause()
        if self._random.choose(6) == 3 or self.killed:
            raise DependencyUnavailableError("the database is unavailable")
        self._database.positions.update(next_offsets)

    async def bind(self, topic_id: UUID | None) -> int:
        return 1

    async def check(self) -> bool:
        return True

    async def disconnect(self) -> None:
        pass

    async def close(self) -> None:
        pass


class FakePublisher:
    """A member's producer; may fail before, half-way, or after everything was appended."""

    def __init__(self, broker: "FakeBroker", random: ScriptedRandom) -> None:
        self._broker = broker
        self._random = random
        self.killed = False

    async def publish(self, orders: Sequence[OrderRow], dead_letters: Sequence[RejectedMessage]) -> Mapping[int, int]:
        await self._random.pause()
        before = self._broker.decision_ends()
        fate = self._random.choose(6)
        if fate == 3 or self.killed:
            raise DependencyUnavailableError("the broker is unavailable")
        if fate == 4:
            orders, dead_letters = orders[: len(orders) // 2], dead_letters[: len(dead_letters) // 2]
        self._broker.append_decisions(orders)
        self._broker.append_dead_letters(dead_letters)
        await self._random.pause()
        if fate in {4, 5}:
            raise DependencyUnavailableError("the acknowledgement was lost")
        return {row.source_partition: before[row.source_partition] for row in orders}

    async def close(self) -> None:
        pass


class FakeBroker:
    """Topics orders, decisions and orders.dlq, and one consumer group."""

    def __init__(self, partitions: int) -> None:
        self.orders: list[list[FakeMessage]] = [[] for _ in range(partitions)]
        self.decisions: list[tuple[str, bytes]] = []
        self.published: list[list[PublishedOrder]] = [[] for _ in range(partitions)]
        self.labels: list[list[FakeMessage]] = [[] for _ in range(partitions)]
        self.dead_letters: list[Origin] = []
        self.committed: dict[int, int] = {}
        self.owners: dict[int, FakeOrderConsumer] = {}

    def append_order(self, partition: int, value: bytes | None) -> Origin:
        log = self.orders[partition]
        log.append(FakeMessage(partition, len(log), value))
        return partition, len(log) - 1

    def append_label(self, event: LabelEvent) -> None:
        partition = zlib.crc32(event.order_id.encode()) % len(self.labels)
        log = self.labels[partition]
        log.append(FakeMessage(partition, len(log), encode_label(event), label_key(event.order_id), topic="labels"))

    def append_decisions(self, orders: Sequence[OrderRow]) -> None:
        self.decisions += [(row.order_id, encode_decision(row)) for row in orders]
        for row in orders:
            self.published[row.source_partition].append(PublishedOrder(row.event(), row.origin))

    def append_dead_letters(self, letters: Sequence[RejectedMessage]) -> None:
        self.dead_letters += [(letter.message.partition, letter.message.offset) for letter in letters]

    def decision_ends(self) -> dict[int, int]:
        """The ends of the partitions of topic decisions."""
        return {partition: len(published) for partition, published in enumerate(self.published)}

    def commit(self, partition: int, offset: int) -> None:
        self.committed[partition] = offset

    @property
    def finished(self) -> bool:
        """Whether everything on the topic is committed."""
        return all(self.committed.get(partition, 0) == len(log) for partition, log in enumerate(self.orders))


class FakePublishedOrders:
    """One member's view of topic decisions; reads it in parts, and fails at times."""

    def __init__(self, broker: FakeBroker, random: ScriptedRandom) -> None:
        self._broker = broker
        self._random = random
        self._positions = dict.fromkeys(range(len(broker.published)), 0)
        self._paused: Collection[int] = ()

    async def reopen(self, positions: Mapping[int, int]) -> None:
        await self._random.pause()
        if self._random.choose(6) == 3:
            raise DependencyUnavailableError("the broker is unavailable")
        self._positions.update(positions)

    def pause(self, partitions: Collection[int]) -> None:
        self._paused = partitions

    async def poll(self, wait_seconds: float) -> Sequence[PublishedOrder]:
        await asyncio.sleep(0.1 + self._random.choose(3) * 2.0)
        await self._random.pause()
        if self._random.choose(6) == 3:
            raise DependencyUnavailableError("the broker is unavailable")
        orders: list[PublishedOrder] = []
        for partition, published in enumerate(self._broker.published):
            if partition not in self._paused:
                start = self._positions[partition]
                read = published[start : start + 1 + self._random.choose(4)]
                orders += read
                self._positions[partition] += len(read)
        return orders

    async def ends(self, partitions: Collection[int] | None = None) -> Mapping[int, int]:
        await self._random.pause()
        ends = self._broker.decision_ends()
        return ends if partitions is None else {partition: ends[partition] for partition in partitions}

    @property
    def positions(self) -> Mapping[int, int]:
        return self._positions

    async def records_since(self, positions: Mapping[int, int]) -> int | None:
        ends = self._broker.decision_ends()
        return sum(ends[partition] - positions.get(partition, 0) for partition in ends)

    def has_reached(self, ends: Mapping[int, int]) -> bool:
        return all(self._positions[partition] >= end for partition, end in ends.items())

    async def close(self) -> None:
        pass


class FakePublishedLabels:
    """One member's view of topic labels; reads it in parts, and fails at times."""

    def __init__(self, broker: FakeBroker, random: ScriptedRandom, next_offsets: Mapping[int, int]) -> None:
        self._broker = broker
        self._random = random
        self._positions = [next_offsets.get(partition, 0) for partition in range(len(broker.labels))]

    async def poll(self, wait_seconds: float) -> Mapping[int, Sequence[Message]]:
        await asyncio.sleep(0.1 + self._random.choose(3) * 2.0)
        if self._random.choose(6) == 3:
            raise DependencyUnavailableError("the broker is unavailable")
        polled: dict[int, Sequence[Message]] = {}
        for partition, log in enumerate(self._broker.labels):
            start = self._positions[partition]
            if read := log[start : start + 1 + self._random.choose(4)]:
                polled[partition] = read
                self._positions[partition] += len(read)
        return polled

    async def close(self) -> None:
        pass


class FakeStoredOrders:
    """The orders in the database, as they are at some moment between request and response."""

    def __init__(self, database: FakeDatabase, random: ScriptedRandom) -> None:
        self._database = database
        self._random = random

    async def find(self, order_ids: Collection[str]) -> Sequence[StoredOrder]:
        await self._random.pause()
        if self._random.choose(6) == 3:
            raise DependencyUnavailableError("the database is unavailable")
        orders = self._database.orders
        found = [StoredOrder(orders[each].event(), orders[each].origin) for each in order_ids if each in orders]
        await self._random.pause()
        return found


class FakeOrderConsumer:
    """One member's view of topic orders."""

    def __init__(self, broker: FakeBroker, random: ScriptedRandom) -> None:
        self._broker = broker
        self._random = random
        self._listener: RebalanceListener | None = None
        self.positions: dict[int, int] = {}
        self._assigned: set[int] = set()
        self.killed = False

    async def identify(self) -> UUID | None:
        return None

    def bind(self, epoch: int) -> None:
        pass

    async def join(self, listener: RebalanceListener) -> None:
        self.listen(listener)

    def listen(self, listener: RebalanceListener) -> None:
        self._listener = listener

    async def close(self) -> None:
        self._listener = None

    async def lags(self) -> dict[int, int]:
        return {part: len(self._broker.orders[part]) - offset for part, offset in self.positions.items()}

    async def revoke(self) -> None:
        """Tell the member that its partitions go, as aiokafka does before it joins again."""
        assert self._listener is not None
        await self._listener.revoked()
        self._assigned.clear()
        self.positions.clear()

    def assign(self, partitions: Collection[int]) -> None:
        assert self._listener is not None
        self._assigned = set(partitions)
        for partition in partitions:
            self._broker.owners[partition] = self
        self._listener.assigned(partitions)

    async def poll(self, max_messages: int, wait_seconds: float) -> Mapping[int, Sequence[Message]]:
        await self._random.pause()
        if self._random.happens(one_in=8):
            raise DependencyUnavailableError("the broker is unavailable")
        polled: dict[int, Sequence[Message]] = {}
        for partition, position in self.positions.items():
            messages = self._broker.orders[partition][position : position + 1 + self._random.choose(4)]
            if messages:
                polled[partition] = messages[:max_messages]
        for partition, taken in polled.items():
            self.positions[partition] += len(taken)
        # Handing over takes a turn too: a rebalance may come in between.
        await (asyncio.sleep(0) if polled else asyncio.sleep(wait_seconds))
        return polled

    async def confirm_polled(self) -> None:
        pass

    async def keep_alive(self) -> None:
        await asyncio.sleep(0)

    async def start_offsets(self, partitions: Collection[int]) -> tuple[dict[int, int], list[Gap]]:
        await self._random.pause()
        if self._random.happens(one_in=6):
            raise DependencyUnavailableError("the broker is unavailable")
        return {partition: self._broker.committed.get(partition, 0) for partition in partitions}, []

    def resume(self, offsets: Mapping[int, int]) -> None:
        self.positions.update({part: offset for part, offset in offsets.items() if part in self._assigned})

    async def commit(self, offsets: Mapping[int, int]) -> None:
        await self._random.pause()
        fate = self._random.choose(5)
        if fate == 3 or self.killed:
            raise DependencyUnavailableError("the broker is unavailable")
        for partition, offset in offsets.items():
            if self._broker.owners.get(partition) is not self:
                raise CommitRefusedError("not a member of this generation")
            self._broker.commit(partition, offset)
        if fate == 4:
            raise DependencyUnavailableError("the response was lost")
