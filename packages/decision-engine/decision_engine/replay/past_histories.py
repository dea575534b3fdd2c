"""Past histories: the orders that a detector's feature state had read when it decided an order, and their features."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from decision_engine.features import Features
from decision_engine.history.declaration import HistoryFeature, longest_window
from decision_engine.history.series import NO_HORIZON, UNIX_EPOCH, microseconds
from decision_engine.history.state import HistoryState
from decision_engine.history.stream_features import ADVANCE, HISTORY_SINCE, LATENESS, MICROSECOND, TOO_LATE
from decision_engine.replay.orders import OrderLog, Partition, PlacedLabel
from decision_engine.replay.past_labels import PastLabels
from order_contract.business_time import business_hour
from order_contract.event import OrderEvent
from order_contract.seen import decode_seen, decode_seen_labels

KEPT_FOR: Final = 2 * LATENESS
"""How late an order may be for its histories to be kept: a detector that took over may have known of no newer one."""

FORGET_EVERY: Final = 50_000
_END: Final = 2**63


class PastFeatures:
    """The FeatureState of some declared features: its values are over the orders that count in the past histories.

    How late an order was found to be, and which older orders had been forgotten, depend on a detector's memory; they
    are given for each order as they are recorded.
    """

    def __init__(self, features: Sequence[HistoryFeature]) -> None:
        self.state = HistoryState(features)
        self.longest = longest_window(features)
        self.horizon: datetime | None = None
        self.is_too_late = False
        self._absent: Features = dict.fromkeys((feature.name for feature in features), None)

    def features(self, event: OrderEvent) -> Features:
        hour = business_hour(event.created_date)
        if self.is_too_late:
            return {"hour": hour, **self._absent, TOO_LATE: True}
        horizon = self.horizon
        values = self.state.values(event, NO_HORIZON if horizon is None else microseconds(horizon))
        values["hour"] = hour
        if horizon is not None and event.created_date < horizon + self.longest:
            values[HISTORY_SINCE] = horizon.isoformat()
        return values


class PastHistories:
    """The histories of several sets of features, brought to what had been seen by one decision after another.

    Orders and labels are added, or taken back where a detector had read less than the one before. Orders of one
    partition are given in ascending order of offsets, so that this is rare.
    """

    def __init__(
        self, all_features: Sequence[PastFeatures], log: OrderLog, labels: Mapping[Partition, Sequence[PlacedLabel]]
    ) -> None:
        self._states = [each.state for each in all_features]
        self._longest = max((each.longest for each in all_features), default=timedelta())
        self._log = log
        self._labels = PastLabels(self._states, labels)
        self._has_labels = bool(labels)
        self._next = dict.fromkeys(log.partitions, 0)
        self._readers = {partition: _Reader(log, partition, 0) for partition in log.partitions}
        self._seen: tuple[Partition, bytes] | None = None
        self._newest = UNIX_EPOCH
        self._kept_newest = UNIX_EPOCH
        self._kept_since = UNIX_EPOCH
        self._added = 0
        self.taken_back = 0
        """How many orders were taken back, as a detector had read less than the one before."""

    @property
    def newest(self) -> datetime:
        """The time of the newest order that counts, or of one before it."""
        return self._newest

    @property
    def complete_since(self) -> datetime:
        """Of orders that were created later, the windows hold all that was seen."""
        return self._kept_newest - KEPT_FOR

    def move_to(self, partition: Partition, offset: int, seen: bytes) -> None:
        """Let exactly those orders and labels count that had been seen by the order of a partition and offset."""
        if self._seen != (partition, seen):
            self._seen = partition, seen
            offsets = decode_seen(seen, partition.number, offset)
            for other in self._next:
                if other.epoch != partition.epoch:
                    self._move(other, _END if other.epoch < partition.epoch else 0)
                elif other.number != partition.number:
                    self._move(other, offsets[other.number] if other.number < len(offsets) else 0)
            if self._has_labels:
                self._labels.move_to(decode_seen_labels(seen))
        self._move(partition, offset)

    def _move(self, partition: Partition, following: int) -> None:
        """Let the orders of a partition count that are before an offset."""
        reached = self._next[partition]
        if following > reached:
            for event in self._readers[partition].until(following):
                self._add(event)
        elif following < reached:
            for _, event in self._log.read_back(partition, following, reached):
                self._remove(event)
                self.taken_back += 1
            self._readers[partition] = _Reader(self._log, partition, following)
            self._newest = UNIX_EPOCH  # what is added from now on tells
        self._next[partition] = following

    def _add(self, event: OrderEvent) -> None:
        created = event.created_date
        if created > self._newest:
            self._newest = created
            if created > self._kept_newest:
                self._kept_newest = created
                self._kept_since = created - KEPT_FOR - self._longest
        if created > self._kept_since:
            for state in self._states:
                state.add(event)
            self._labels.enter(event)
        self._added += 1
        if self._added % FORGET_EVERY == 0:
            self._forget()

    def _remove(self, event: OrderEvent) -> None:
        if event.created_date > self._kept_since:
            self._labels.leave(event)
            for state in self._states:
                state.remove(event)

    def _forget(self) -> None:
        for state in self._states:
            for _ in state.forget(microseconds(self._kept_newest), KEPT_FOR // MICROSECOND):
                pass
        self._labels.forget(self._kept_since)


def was_too_late(event: OrderEvent, newest: datetime) -> bool:
    """Whether an order must have been found too late; detectors know the newest order's time to a second."""
    return event.created_date <= newest - LATENESS - ADVANCE


class _Reader:
    """The orders of a partition from an offset on, read as far as is asked for."""

    def __init__(self, log: OrderLog, partition: Partition, first: int) -> None:
        self._orders = log.read(partition, first)
        self._ahead = next(self._orders, None)

    def until(self, following: int) -> Iterator[OrderEvent]:
        """Those before an offset."""
        while self._ahead is not None and self._ahead[0] < following:
            event = self._ahead[1]
            self._ahead = next(self._orders, None)
            yield event
