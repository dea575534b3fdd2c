"""Features of a stream's orders: the histories of orders and labels read so far, and how far each partition was read.

A deterministic fold: the same orders in the same sequence of partitions and offsets give the same values.
"""

import math
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, MutableMapping, Sequence
from datetime import datetime, timedelta
from typing import Any, BinaryIO, Final

import msgspec

from decision_engine.features import Features
from decision_engine.history.declaration import HistoryFeature, longest_window
from decision_engine.history.labelled_orders import (
    LABEL_BYTES,
    MOST_PENDING,
    LabelEntry,
    LabelledOrders,
    LabelRank,
)
from decision_engine.history.next_features import NextFeatures
from decision_engine.history.series import NO_HORIZON, UNIX_EPOCH, microseconds
from decision_engine.history.snapshot import SnapshotError, read_frame, write_frame
from decision_engine.history.state import HistoryState
from order_contract.business_time import business_hour
from order_contract.event import OrderEvent
from order_contract.label import Label
from order_contract.seen import encode_seen, encode_seen_labels

LATENESS: Final = timedelta(days=7)

TOO_LATE: Final = "too_late"
"""Recorded as true with an order that is older than the histories are kept for: its history features are absent."""


HISTORY_SINCE: Final = "history_since"
"""Recorded with an order whose windows begin at this time at the earliest: what is older had to be forgotten."""

FORGOTTEN_SHARE: Final = 0.2
"""How much of the bound is free again after orders had to be forgotten."""

PENDING_SHARE: Final = 0.1
"""How much of the bound labels may take that wait for their order."""

ADVANCE: Final = timedelta(seconds=1)
MICROSECOND: Final = timedelta(microseconds=1)

SNAPSHOT_FORMAT: Final = 1
"""Changes when a snapshot cannot be read as before."""


class _Known(msgspec.Struct, array_like=True):
    """What a snapshot holds before the histories; of earlier releases, without the last two."""

    declared: list[str]
    newest: datetime
    horizon: datetime | None
    next_offsets: dict[int, int]
    late_orders: int
    next_labels: dict[int, int]
    labels: list[LabelEntry]
    shortened_orders: int = 0
    dropped_labels: int = 0


class StreamFeatures:
    """The FeatureState of one detector.

    An order counts once it was added, by `add` for one that is being decided or was decided elsewhere; offsets below
    the partition's next one count nothing, so that what is read again changes nothing. Orders are kept for the longest
    window and `lateness`, counted from the newest order: one later than that is not added, and its features are absent.
    `label_epoch` is that of topic labels.

    When histories and labels are found to take more than `most_bytes`, the oldest orders are forgotten, and each window
    begins after the `horizon`; a value is exact all the same, for the window that is recorded with it.
    """

    def __init__(
        self,
        features: Iterable[HistoryFeature],
        *,
        lateness: timedelta = LATENESS,
        most_bytes: int | None = None,
        label_epoch: int = 1,
    ) -> None:
        declared = tuple(features)
        self._label_epoch = label_epoch
        self._following: NextFeatures | None = None
        self._declare(declared, HistoryState(declared))
        pending = MOST_PENDING if most_bytes is None else int(most_bytes * PENDING_SHARE) // LABEL_BYTES
        self._labels = LabelledOrders(self._histories, most_pending=min(pending, MOST_PENDING))
        self._next_labels: dict[int, int] = {}
        self._seen_labels = encode_seen_labels({}, label_epoch)
        self._lateness = lateness
        self._most_bytes = most_bytes
        self._newest = UNIX_EPOCH
        self._set_horizon(None)
        self._next: dict[int, int] = {}
        self._seen: tuple[int, bytes] | None = None
        self.late_orders = 0
        self.shortened_orders = 0
        self.size = 0

    def _declare(self, declared: Sequence[HistoryFeature], histories: HistoryState) -> None:
        self._declared = [
            f"format {SNAPSHOT_FORMAT}",
            *(feature.definition for feature in declared),
            f"labels of epoch {self._label_epoch}",
        ]
        self._histories = histories
        self._absent: Features = dict.fromkeys((feature.name for feature in declared), None)
        self._longest = longest_window(declared)
        self._kept_window = histories.kept_window

    @property
    def next_offsets(self) -> Mapping[int, int]:
        """The next offset of each partition that was read."""
        return self._next

    @property
    def kept_since(self) -> datetime:
        """Orders that were created before or at this time are not kept."""
        return self._kept_since

    @property
    def horizon(self) -> datetime | None:
        """Windows begin after this time, as older orders had to be forgotten; None when they reach back as declared."""
        return self._horizon

    @property
    def newest(self) -> datetime:
        """The time of the newest order, to a second."""
        return self._newest

    def advance_time(self, newest: datetime) -> None:
        """There is an order of this time: late orders are counted from the newest one."""
        if newest > self._newest:
            self._set_newest(newest)

    def _set_newest(self, newest: datetime) -> None:
        self._newest = newest
        self._advance_after = newest + ADVANCE
        self._complete_since = newest - self._lateness
        self._kept_since = self._complete_since - self._kept_window
        if self._horizon is not None:
            self._kept_since = max(self._kept_since, self._horizon)
        # Orders after this time have features and are kept.
        self._usual_since = max(self._complete_since, self._kept_since)

    def _set_horizon(self, horizon: datetime | None) -> None:
        self._horizon = horizon
        self._horizon_time = NO_HORIZON if horizon is None else microseconds(horizon)
        self._shortened_until = UNIX_EPOCH if horizon is None else horizon + self._longest
        self._set_newest(self._newest)

    def _update_kept_window(self) -> None:
        self._kept_window = self._histories.kept_window
        if self._following is not None:
            self._kept_window = max(self._kept_window, longest_window(self._following.features))
        self._set_newest(self._newest)

    def _mark_forgotten(self) -> None:
        self._histories.mark_forgotten(microseconds(self._newest), self._lateness // MICROSECOND, self._horizon_time)

    def features(self, event: OrderEvent) -> Features:
        hour = business_hour(event.created_date)
        if not self._absent:
            return {"hour": hour}
        if event.created_date <= self._complete_since:
            return {"hour": hour, **self._absent, TOO_LATE: True}
        values = self._histories.values(event, self._horizon_time)
        values["hour"] = hour
        if event.created_date < self._shortened_until:
            self._note_horizon(values)
        return values

    def _note_horizon(self, values: MutableMapping[str, Any]) -> None:
        assert self._horizon is not None
        values[HISTORY_SINCE] = self._horizon.isoformat()
        self.shortened_orders += 1

    def count(self, event: OrderEvent, partition: int, offset: int) -> Features:
        """The features of an order that counts for those after it: what `features` gives, then `add` does."""
        created = event.created_date
        if created <= self._usual_since:
            features = self.features(event)
            self.add(event, partition, offset)
            return features
        values = self._histories.count(event, self._horizon_time)
        values["hour"] = business_hour(created)
        if created < self._shortened_until:
            self._note_horizon(values)
        if created > self._advance_after:
            self._set_newest(created)
        self.advance(partition, offset + 1)
        if self._labels.by_order:
            self._labels.enter(event, (partition, offset))
        return values

    def write(self, file: BinaryIO) -> None:
        """Write everything that is known, as a snapshot."""
        known = _Known(
            self._declared,
            self._newest,
            self._horizon,
            self._next,
            self.late_orders,
            self._next_labels,
            list(self._labels.entries()),
            self.shortened_orders,
            self._labels.dropped,
        )
        write_frame(file, msgspec.msgpack.encode(known))
        self._histories.write(file)

    def read(self, file: BinaryIO) -> None:
        """Read a snapshot; nothing was added yet. Raises SnapshotError."""
        known = msgspec.msgpack.decode(read_frame(file), type=_Known)
        if known.declared != self._declared:
            raise SnapshotError("it is of other features")
        self._histories.read(file)
        self._newest = known.newest
        self._set_horizon(known.horizon)
        self._mark_forgotten()
        self._next = known.next_offsets
        self.late_orders, self.shortened_orders = known.late_orders, known.shortened_orders
        self._labels.restore(known.labels)
        self._labels.count_dropped(known.dropped_labels)
        self.advance_labels(known.next_labels)

    def seen(self, partition: int) -> bytes:
        """What was read until now, for an order of this partition: see `order_contract.seen`."""
        if self._seen is None or self._seen[0] != partition:
            self._seen = partition, encode_seen(self._next, partition) + self._seen_labels
        return self._seen[1]

    def has_read(self, partition: int, offset: int) -> bool:
        """Whether an order counts already, or never will."""
        return offset < self._next.get(partition, 0)

    def add(self, event: OrderEvent, partition: int, offset: int) -> None:
        """Count an order, and everything before it as read."""
        self.advance(partition, offset + 1)
        if event.created_date > self._advance_after:
            self._set_newest(event.created_date)
        if event.created_date > self._kept_since:
            self._histories.add(event)
            if self._labels.by_order:
                self._labels.enter(event, (partition, offset))
        else:
            self.late_orders += 1

    def remove(self, event: OrderEvent, partition: int, offset: int) -> None:
        """Take back an order that was added, and what was read from it on.

        Orders of a partition are taken back from the last one on.
        """
        self.rewind(partition, offset)
        if event.created_date > self._kept_since:
            self._histories.remove(event)
            if self._labels.by_order:
                self._labels.leave(event.order_id, (partition, offset))
        else:
            self.late_orders -= 1

    def load(self, events: Iterable[OrderEvent]) -> None:
        """Count stored orders; how far their partitions were read does not change.

        Each is added where a window can still reach it, of an order that is as late as orders may be.
        """
        self._histories.load(events, self._complete_since, self._kept_since)

    @property
    def histories(self) -> int:
        """How many histories are kept, one per key."""
        return self._histories.keys

    @property
    def keys_by_feature(self) -> Mapping[str, int]:
        """How many histories each feature is read from."""
        return self._histories.keys_by_feature

    def forget(self) -> Iterator[None]:
        """Delete what no feature can reach any more, or what is more than may be kept.

        What is kept for a switch back goes before an order that a feature can reach. Yields after each label and each
        key, so that the work can be spread.
        """
        lateness = self._lateness // MICROSECOND
        while True:
            yield from self._labels.forget(self._kept_since)
            kept = yield from self._histories.forget(microseconds(self._newest), lateness, self._horizon_time)
            self.size = kept.size + self._labels.size
            if self._most_bytes is None or self.size <= self._most_bytes or not kept.size:
                return
            if (yield from self.discard_kept()):
                continue
            # As if orders came evenly.
            forgotten = 1 - self._most_bytes * (1 - FORGOTTEN_SHARE) / self.size
            oldest = UNIX_EPOCH + timedelta(microseconds=kept.oldest)
            self._set_horizon(oldest + max(forgotten * (self._newest - oldest), ADVANCE))

    @property
    def free_share(self) -> float:
        """What may be kept besides what was there when `forget` ended, as a share of that."""
        if self._most_bytes is None:
            return math.inf
        return max(0.0, self._most_bytes / self.size - 1) if self.size else 0.0

    # ---- other features

    def prepare(self, features: Iterable[HistoryFeature]) -> NextFeatures | None:
        """Prepare histories of other features, which share with these what is the same, until `switch`.

        The orders that were read so far, all of which must be stored, are to be loaded into the rest; those that are
        read from now on count there, too. None when the others cannot be prepared beside these, as labels are missing
        or orders were forgotten that they may see.
        """
        following = self._next_features(features)
        is_label_missing = any(series.label is not None for series in following.histories.missing)
        if self._horizon is not None or is_label_missing or self._has_other_labels(following):
            return None
        self._begin(following)
        return following

    def prepare_known(self, features: Iterable[HistoryFeature]) -> NextFeatures | None:
        """Prepare other features that lack nothing, as all their histories are here, at any moment, until `switch`.

        None when some of them lack orders: see `prepare`.
        """
        following = self._next_features(features)
        if following.missing or self._has_other_labels(following):
            return None
        self._begin(following)
        return following

    def _next_features(self, features: Iterable[HistoryFeature]) -> NextFeatures:
        declared = tuple(features)
        histories = HistoryState(declared, known=self._histories)
        return NextFeatures(declared, histories, dict(self._next), lambda: self._complete_since)

    def _has_other_labels(self, following: NextFeatures) -> bool:
        return following.histories.has_labels != self._histories.has_labels

    def _begin(self, following: NextFeatures) -> None:
        self._following = following
        self._update_kept_window()
        self._histories.add_beside(following.histories.missing)

    def switch(self, following: NextFeatures) -> None:
        """Switch to prepared features, once all their missing orders are loaded.

        The histories of the present ones are kept, so that switching back lacks nothing, until `discard_kept`.
        """
        assert following is self._following, "histories that are prepared no longer may lack orders"
        following.histories.keep(self._histories)
        self._following = None
        self._declare(following.features, following.histories)
        self._labels.count_in(self._histories)
        self._set_horizon(self._horizon)
        # What is being forgotten at the moment is noted in the former series.
        self._mark_forgotten()

    def discard_prepared(self) -> None:
        """Give up the features that were prepared, if there are any."""
        self._following = None
        self._histories.add_beside(())
        self._update_kept_window()

    def discard_kept(self) -> Generator[None, None, bool]:
        """Give up what is kept for a switch back, but for what was prepared; returns whether there was anything.

        Yields after each key, so that the work can be spread.
        """
        following = None if self._following is None else self._following.histories
        has_more = yield from self._histories.discard_kept(following)
        self._update_kept_window()
        return has_more

    # ---- labels

    @property
    def labels(self) -> LabelledOrders:
        """The labels that were read, and how many of them wait for their order."""
        return self._labels

    @property
    def next_label_offsets(self) -> Mapping[int, int]:
        """The next offset of each partition of topic labels that was read."""
        return self._next_labels

    def await_orders(self, order_ids: Collection[str]) -> None:
        """Note the orders of these ids that are added from now on: labels of them are about to be applied."""
        self._labels.await_orders(order_ids)

    def find_labelled(self, event: OrderEvent, partition: int, offset: int) -> None:
        """An order of an awaited id is known to be in flight or stored: note it when it counts already."""
        if self.has_read(partition, offset) and event.created_date > self._kept_since:
            self._labels.enter(event, (partition, offset))

    def find_labelled_before(self, event: OrderEvent) -> None:
        """The same for a stored order of an earlier topic of the name."""
        if event.created_date > self._kept_since:
            self._labels.enter(event, None)

    def skip_label(self, order_id: str) -> None:
        """A label of an awaited id is not applied: no feature reaches its order any more."""
        self._labels.discard(order_id)

    def apply_label(self, order_id: str, label: Label, rank: LabelRank) -> None:
        """Count the label of an order, now or as soon as the order counts; an older one of the order counts no more."""
        self._labels.apply(order_id, label, rank)

    def advance_labels(self, next_offsets: Mapping[int, int]) -> None:
        """Everything on topic labels before these offsets, by partition, is applied."""
        self._next_labels |= next_offsets
        self._seen_labels = encode_seen_labels(self._next_labels, self._label_epoch)
        self._seen = None

    # ---- how far partitions of orders were read

    def advance(self, partition: int, next_offset: int) -> None:
        """Everything of a partition before this offset was read."""
        if next_offset > self._next.get(partition, 0):
            self._next[partition] = next_offset
            self._forget_seen(partition)

    def rewind(self, partition: int, next_offset: int) -> None:
        """Nothing of a partition from this offset on was read."""
        self._next[partition] = next_offset
        self._forget_seen(partition)

    def _forget_seen(self, partition: int) -> None:
        # The bytes for orders of a partition do not depend on its own next offset.
        if self._seen is not None and self._seen[0] != partition:
            self._seen = None
