"""Evidence about an order or message: the records of it in Postgres, on the topics and in the warehouse. Pure data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from order_contract.decision import OrderRow
from order_contract.origin import Origin
from order_contract.outcomes import MessageOutcome
from order_platform.kafka.topic_reader import Found, Missing


class UnstoredMessage(NamedTuple):
    """A message that became no row: duplicate, conflict or dead letter, as table `stream_outcomes` has it."""

    topic: str
    partition: int
    offset: int
    epoch: int
    outcome: MessageOutcome
    order_id: str | None
    error_type: str | None
    error: str | None
    recorded_at: datetime

    @property
    def origin(self) -> Origin:
        """Position of the message on its topic."""
        return Origin(self.topic, self.partition, self.offset, self.epoch)


@dataclass(frozen=True, slots=True)
class WarehouseRow:
    """An order in the warehouse; values as JSON has them. `columns` is None while its date is not loaded."""

    business_date: str
    loaded_at: str | None
    columns: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class OrderEvidence:
    """A stored order: its row, its message, the ruleset that decided it, and its record on topic `decisions`.

    `ruleset` is the YAML text, None when it is not kept; `related` are further messages with its id; `warehouse` is
    None when the warehouse was not asked.
    """

    row: OrderRow
    origin: Origin
    message: Found
    ruleset: str | None
    published: Found
    related: Sequence[UnstoredMessage] = ()
    warehouse: WarehouseRow | Missing | None = None


@dataclass(frozen=True, slots=True)
class UnstoredMessageEvidence:
    """A message that became no row, its record on topic `orders.dlq`, and the order that is stored under its id."""

    unstored: UnstoredMessage
    message: Found
    dead_letter: Found
    row: OrderRow | None
