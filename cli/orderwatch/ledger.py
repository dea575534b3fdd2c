"""Ledger of consumed messages against recorded outcomes, per partition, for each topic of a name."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import asyncpg

from order_platform.kafka.lag import PartitionLag
from order_platform.postgres.topic_epochs import read_epochs
from orderwatch import ledger_repository
from orderwatch.ledger_repository import Outcomes, TopicEpoch

NAMED = 10
"""How many offsets a difference names."""


@dataclass(frozen=True, slots=True)
class PartitionLedger:
    """One partition: offsets from `first` up to `committed`, excluded, and what is recorded of them.

    `waiting` are messages that should have been consumed and were not, with the reason in `why_waiting`.
    """

    partition: int
    beginning: int
    """Oldest offset that the topic keeps."""
    first: int
    committed: int
    end: int
    in_gaps: int
    outcomes: Outcomes
    missing: tuple[int, ...] = ()
    twice: tuple[int, ...] = ()
    epoch: int = 1
    waiting: int = 0
    why_waiting: str = ""

    @property
    def name(self) -> str:
        """How sentences name it; a topic that was created again has partitions of the same number."""
        return f"partition {self.partition}" if self.epoch == 1 else f"partition {self.partition} of epoch {self.epoch}"

    @property
    def consumed(self) -> int:
        """Messages consumed; offsets in recorded gaps hold none."""
        return max(self.committed - self.first, 0) - self.in_gaps

    @property
    def recorded(self) -> int:
        """Outcomes recorded of them."""
        outcomes = self.outcomes
        return outcomes.stored + outcomes.duplicates + outcomes.conflicts + outcomes.dead_letters

    @property
    def agrees(self) -> bool:
        """Whether each consumed message has exactly one outcome."""
        return self.consumed == self.recorded == self.outcomes.offsets

    def differences(self) -> list[str]:
        """What does not agree, as sentences."""
        found = []
        unrecorded = self.consumed - self.outcomes.offsets
        if unrecorded > 0:
            found.append(
                f"{unrecorded} consumed messages have no outcome: offsets {_format_some(self.missing, unrecorded)}"
            )
        if unrecorded < 0:
            found.append(f"{-unrecorded} offsets have an outcome, but lie in a recorded gap")
        twice = self.recorded - self.outcomes.offsets
        if twice > 0:
            found.append(f"{twice} outcomes too many: offsets {_format_some(self.twice, twice)} have more than one")
        if self.waiting > 0:
            found.append(f"{self.waiting} messages wait: {self.why_waiting}")
        return [f"{self.name}: {text}" for text in found]

    def notes(self) -> list[str]:
        """What is worth knowing, but no difference."""
        found = []
        if self.in_gaps:
            found.append(f"{self.in_gaps} offsets lie in recorded gaps (retention, or no message there)")
        if self.outcomes.retired:
            found.append(f"{self.outcomes.retired} stored orders were removed by retention; the warehouse has them")
        if self.beginning > self.committed:
            found.append(
                f"retention deleted offsets {self.committed} to {self.beginning - 1} before they were consumed"
            )
        elif self.beginning > self.first:
            found.append(f"retention moved the topic's beginning to offset {self.beginning}")
        elif self.beginning < self.first:
            found.append(f"offsets {self.beginning} to {self.first - 1} came before the first recorded one")
        return [f"{self.name}: {text}" for text in found]


async def read_ledger(
    connection: asyncpg.Connection, source: TopicEpoch, positions: Sequence[PartitionLag]
) -> list[PartitionLedger]:
    """The ledger of each partition of the topic, up to the committed offsets in `positions`."""
    committed = {position.partition: position.committed or 0 for position in positions}
    first = await ledger_repository.first_offsets(connection, source)
    recorded = await ledger_repository.outcomes(connection, source, committed)
    ledgers = []
    for position in positions:
        partition, until = position.partition, committed[position.partition]
        # Where nothing is recorded at all, everything counts that the topic keeps.
        begins = min(first.get(partition, position.beginning), until)
        ledger = PartitionLedger(
            partition=partition,
            beginning=position.beginning,
            first=begins,
            committed=until,
            end=position.end,
            in_gaps=await ledger_repository.offsets_in_gaps(connection, source, partition, until),
            outcomes=recorded.get(partition, Outcomes()),
            epoch=source.epoch,
        )
        if not ledger.agrees:
            ledger = await _find_offsets_at_fault(connection, source, ledger)
        ledgers.append(ledger)
    return ledgers


async def read_earlier_ledgers(
    connection: asyncpg.Connection, group: str, topic: str, current: int | None
) -> list[PartitionLedger]:
    """The ledgers of the topics that had this name before the `current` one, of which no message comes any more."""
    ledgers: list[PartitionLedger] = []
    for epoch in await read_epochs(connection, topic):
        if epoch != current:
            source = TopicEpoch(topic, epoch)
            ends = await ledger_repository.final_positions(connection, group, source)
            first = await ledger_repository.first_offsets(connection, source)
            positions = [PartitionLag(part, first.get(part, end), end, end) for part, end in ends.items()]
            ledgers += await read_ledger(connection, source, positions)
    return ledgers


async def _find_offsets_at_fault(
    connection: asyncpg.Connection, source: TopicEpoch, ledger: PartitionLedger
) -> PartitionLedger:
    """The same with the offsets at fault."""
    partition, end = ledger.partition, ledger.committed
    missing = await ledger_repository.missing_offsets(connection, source, partition, range(ledger.first, end), NAMED)
    twice = await ledger_repository.offsets_recorded_twice(connection, source, partition, end, NAMED)
    return replace(ledger, missing=tuple(missing), twice=tuple(twice))


def _format_some(offsets: tuple[int, ...], count: int) -> str:
    shown = ", ".join(map(str, offsets))
    return shown if count <= len(offsets) else f"{shown}, ..."
