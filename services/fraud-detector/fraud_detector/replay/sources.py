"""Sources of stored orders for a replay."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple, Protocol

from decision_engine.history.declaration import HistoryFeature
from decision_engine.replay.orders import Partition, StoredDecision
from decision_engine.ruleset import Ruleset
from order_contract.event import OrderEvent


class Wanted(NamedTuple):
    """Which stored orders are to be decided again: those of a topic that were created from `since` on, before `until`.

    `labels_topic` is the topic of labels that their features saw.
    """

    topic: str
    labels_topic: str
    since: datetime
    until: datetime


class SourceOrder(NamedTuple):
    """An order with its place; with its decision when it is to be decided again."""

    partition: Partition
    offset: int
    event: OrderEvent
    decision: StoredDecision | None
    is_erased: bool


class OrderSource(Protocol):
    """Where stored orders are read from, in any order and in parts.

    Read them in `contextlib.aclosing`: parts may be read ahead.
    """

    async def count_versions(self, wanted: Wanted) -> Mapping[str, int]:
        """How many of the wanted orders each ruleset version decided."""

    async def count_dates(self, wanted: Wanted, since: datetime) -> Mapping[date, int]:
        """How many orders there are by business date, of those created after `since`."""

    def read_decided(self, wanted: Wanted, rulesets: Mapping[str, Ruleset]) -> AsyncGenerator[list[SourceOrder], None]:
        """The wanted orders with their decisions."""

    def read_earlier(
        self, wanted: Wanted, since: datetime, features: Sequence[HistoryFeature]
    ) -> AsyncGenerator[list[SourceOrder], None]:
        """The orders that were created after `since` and before the wanted ones, with what features read."""
