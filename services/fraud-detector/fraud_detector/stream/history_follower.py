"""Following topic `decisions`: orders that other detectors decide count in history features, too."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import suppress
from typing import Final

import structlog

from decision_engine.history.stream_features import StreamFeatures
from fraud_detector.stream.health import Check, HealthState
from fraud_detector.stream.ports import ActionRequiredError, DependencyUnavailableError, PublishedOrders
from fraud_detector.stream.recent_orders import RecentOrders
from order_contract.decision_record import PublishedOrder
from order_platform.cancellation import task_is_cancelled

log = structlog.get_logger()

POLL_SECONDS: Final = 0.5
RETRY_SECONDS: Final = 0.5
FORGET_EVERY: Final = 30.0
KEYS_AT_ONCE: Final = 500


class HistoryFollower:
    """Adds the orders of partitions that others decide to the histories, in the sequence of each partition.

    All partitions are followed but those that this detector decides itself: `take_over` ends following a partition
    once everything on it counts, `release` follows all of them again. `start` is where the records begin that the
    histories may lack. All orders that are followed are `recent` ones. `labels` follows topic labels for the same
    histories, until it is cancelled.
    """

    def __init__(
        self,
        published: PublishedOrders,
        history: StreamFeatures,
        *,
        start: Mapping[int, int],
        health: HealthState,
        recent: RecentOrders,
        labels: Callable[[], Coroutine[None, None, None]] | None = None,
    ) -> None:
        self._published = published
        self._history = history
        self._health = health
        self._recent = recent
        self._labels = labels
        self._own: frozenset[int] = frozenset()
        # Where this detector's own partitions are read from when they are its own no longer: before these positions is
        # only what counts already.
        self._positions: dict[int, int] = {}
        self._reopen_at: Mapping[int, int] | None = start
        self._stopping = False
        self._dropped_labels = 0
        self._progress = asyncio.Event()

    async def run(self) -> None:
        """Follow until `stop`, and delete from time to time what no feature can reach any more."""
        try:
            async with asyncio.TaskGroup() as group:
                beside = [group.create_task(self._forget_old(), name="forget")]
                if self._labels is not None:
                    beside.append(group.create_task(self._labels(), name="follow labels"))
                await self._follow()
                for task in beside:
                    task.cancel()
        finally:
            await self._published.close()

    async def _follow(self) -> None:
        while not self._stopping and not task_is_cancelled():
            try:
                if (positions := self._reopen_at) is not None:
                    await self._published.reopen(positions)
                    if self._reopen_at is positions:
                        self._reopen_at = None
                self._published.pause(self._own)
                orders = await self._published.poll(POLL_SECONDS)
            except DependencyUnavailableError as error:
                self._health.unavailable(Check.FOLLOWING, str(error))
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self._health.recovered(Check.FOLLOWING)
            for order in orders:
                self._add(order)
            self._progress.set()

    def _add(self, order: PublishedOrder) -> None:
        origin = order.origin
        # A poll that was under way when the partition was taken over may give what a former owner still publishes.
        if origin.partition in self._own:
            return
        if order.event is not None:
            self._recent.note(order.event.order_id)
        if self._history.has_read(origin.partition, origin.offset):
            return
        if order.event is None:
            raise ActionRequiredError(
                f"the decision on {origin} was published without its order, by a detector of the first release: stop "
                "those detectors, then start this one again"
            )
        self._history.add(order.event, origin.partition, origin.offset)

    async def _forget_old(self) -> None:
        while True:
            await asyncio.sleep(FORGET_EVERY)
            before = self._history.horizon
            self._warn_of_dropped_labels()
            for number, _ in enumerate(self._history.forget()):
                if number % KEYS_AT_ONCE == 0:
                    await asyncio.sleep(0)
            if (horizon := self._history.horizon) not in {None, before}:
                log.warning(
                    "histories_shortened",
                    since=horizon,
                    bytes=self._history.size,
                    consequence="features see no orders before; ORDERWATCH_HISTORY_MEMORY is the bound",
                )

    def _warn_of_dropped_labels(self) -> None:
        labels = self._history.labels
        if labels.dropped > self._dropped_labels:
            self._dropped_labels = labels.dropped
            log.warning(
                "waiting_labels_dropped",
                dropped=labels.dropped,
                most=labels.most_pending,
                consequence="their orders, when they come, are not labelled; ORDERWATCH_HISTORY_MEMORY is the bound",
            )

    def stop(self) -> None:
        """End `run`, at the latest when the poll that is under way returns."""
        self._stopping = True

    async def take_over(self, partitions: Collection[int], is_cancelled: Callable[[], bool]) -> bool:
        """Wait until everything that was published of these partitions counts, then decide them here.

        False when it was cancelled before. Raises DependencyUnavailableError.
        """
        # Opened again first: the topic may have more partitions than before.
        await self._wait_for(lambda: self._reopen_at is None, is_cancelled)
        ends = await self._published.ends(partitions)
        await self._wait_for(lambda: self._reopen_at is None and self._published.has_reached(ends), is_cancelled)
        if is_cancelled():
            return False
        self._own, self._positions = frozenset(partitions), dict(ends)
        return True

    async def catch_up(self) -> None:
        """Wait until everything that is published by now counts. Raises DependencyUnavailableError."""

        def never() -> bool:
            return False

        await self._wait_for(lambda: self._reopen_at is None, never)
        ends = await self._published.ends()
        await self._wait_for(lambda: self._published.has_reached(ends), never)

    def committed(self, published: Mapping[int, int]) -> None:
        """The group's coordinator accepted a commit of what this detector had published up to these positions.

        So no other detector owned the partitions by then, and what the next owner publishes comes after them.
        """
        for partition in self._positions.keys() & published.keys():
            self._positions[partition] = max(self._positions[partition], published[partition])

    @property
    def positions(self) -> Mapping[int, int]:
        """Where a detector follows on that knows what this one knows of stored orders."""
        return {**self._published.positions, **(self._reopen_at or {}), **self._positions}

    def release(self) -> None:
        """The partitions are no longer this detector's own: follow them, too."""
        self._reopen_at = {**(self._reopen_at or {}), **self._positions}
        self._own, self._positions = frozenset(), {}

    async def _wait_for(self, condition: Callable[[], bool], is_cancelled: Callable[[], bool]) -> None:
        while not (condition() or is_cancelled()):
            self._progress.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._progress.wait()
