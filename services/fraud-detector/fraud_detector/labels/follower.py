"""Following topic `labels`: labels count in history features from the moment they are read.

Every detector reads all of the topic. The orders of the labels that one poll gave are looked up in the database, off
the hot path, and then all of these labels count at once, between two decisions. Orders are decided in the meantime, so
the ids are awaited first: an order that is in flight then is noted at once, one that enters the histories later when it
enters, and one that was stored before is found by the look-up.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

from decision_engine.history.stream_features import StreamFeatures
from fraud_detector.labels.batch import RecordedLabel, read_label
from fraud_detector.labels.labelling import StoredOrder, apply_label
from fraud_detector.labels.metrics import LabelMetrics
from fraud_detector.stream.batch import Batch
from fraud_detector.stream.health import Check, HealthState, retry_while_unavailable
from fraud_detector.stream.ports import DependencyUnavailableError
from order_contract.message import Message
from order_platform.cancellation import task_is_cancelled

POLL_SECONDS: Final = 0.5


class PublishedLabels(Protocol):
    """Topic `labels`, read without a group from the offsets that the histories cover."""

    async def poll(self, wait_seconds: float) -> Mapping[int, Sequence[Message]]:
        """The next messages by partition; waits up to `wait_seconds` for the first.

        Raises DependencyUnavailableError, ActionRequiredError.
        """

    async def close(self) -> None:
        """Disconnect."""


class StoredOrders(Protocol):
    """The orders in the database."""

    async def find(self, order_ids: Collection[str]) -> Sequence[StoredOrder]:
        """Those of the topic that are stored. Raises DependencyUnavailableError."""


class LabelFollower:
    """Applies labels to the histories; `epoch` and `label_epoch` are those of topics orders and labels.

    `in_flight` gives the batches that are decided and not known to be stored.
    """

    def __init__(
        self,
        labels: PublishedLabels,
        orders: StoredOrders,
        history: StreamFeatures,
        in_flight: Callable[[], Iterable[Batch]],
        *,
        epoch: int,
        label_epoch: int,
        now: Callable[[], datetime],
        metrics: LabelMetrics,
        health: HealthState,
    ) -> None:
        self._labels = labels
        self._orders = orders
        self._history = history
        self._in_flight = in_flight
        self._epoch = epoch
        self._label_epoch = label_epoch
        self._now = now
        self._metrics = metrics
        self._health = health

    async def run(self) -> None:
        """Follow until it is cancelled, and disconnect."""
        try:
            await self._follow_all()
        finally:
            await self._labels.close()

    async def _follow_all(self) -> None:
        while not task_is_cancelled():
            try:
                polled = await self._labels.poll(POLL_SECONDS)
            except DependencyUnavailableError as error:
                self._health.unavailable(Check.FOLLOWING_LABELS, str(error))
                await asyncio.sleep(POLL_SECONDS)
                continue
            self._health.recovered(Check.FOLLOWING_LABELS)
            if polled:
                await self.follow(polled)

    async def follow(self, polled: Mapping[int, Sequence[Message]]) -> None:
        """Let the labels of some messages count, all at once."""
        now = self._now()
        read = [read_label(message, self._label_epoch, now) for messages in polled.values() for message in messages]
        # Of several labels of an order the newest is the one with the highest offset. They are in one partition, unless
        # the topic got more partitions.
        labels = sorted((label for label in read if isinstance(label, RecordedLabel)), key=_rank)
        newest = {label.event.order_id: label for label in labels}
        if newest:
            self._await_orders(newest.keys())
            found = await retry_while_unavailable(
                lambda: self._orders.find(newest.keys()),
                check=Check.FINDING_LABELLED,
                health=self._health,
                is_cancelled=lambda: False,
            )
            self._apply(newest, found or ())
        self._history.advance_labels({partition: messages[-1].offset + 1 for partition, messages in polled.items()})
        self._metrics.followed(len(read), self._history.labels)

    def _await_orders(self, order_ids: Collection[str]) -> None:
        self._history.await_orders(order_ids)
        for batch in self._in_flight():
            for row, message in batch.decided():
                place = message.partition, message.offset
                if row.order_id in order_ids and place not in batch.uncounted:
                    self._history.find_labelled(row.event(), *place)

    def _apply(self, newest: Mapping[str, RecordedLabel], found: Iterable[StoredOrder]) -> None:
        orders = {order.event.order_id: order for order in found}
        for order_id, label in newest.items():
            apply_label(self._history, label, orders.get(order_id), self._epoch)


def _rank(label: RecordedLabel) -> tuple[int, int]:
    return label.origin.offset, label.origin.partition
