"""The pipeline: the detector's loop, over its ports.

    poll -> judge -> [backlog] -> store -> [outbox] -> announce -> progress -> commit

Each arrow is a hand-over between tasks, in order: while one batch is stored the next is judged and the one before
is announced. A batch advances progress only when it is stored and announced, so commits trail and never lead.

A rebalance is an epoch's end: `revoked` lets what was read be finished and committed, or dropped when the budget is
spent; what belongs to an old epoch never advances progress. Storing such a late batch is harmless, as the first
stored decision stands and everyone announces what is stored.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

import structlog

from fraud_detector.stream.batch import Backlog, Batch, Stored
from fraud_detector.stream.judge import Judge
from fraud_detector.stream.message import Gap
from fraud_detector.stream.metrics import Metrics
from fraud_detector.stream.outbox import Announcement, Outbox
from fraud_detector.stream.ports import (
    AcceptedLossError,
    Announcer,
    CommitRefusedError,
    DecisionStore,
    OrderLog,
    UnavailableError,
)
from fraud_detector.stream.progress import Progress
from fraud_detector.stream.retry import until_available
from fraud_detector.stream.status import Check, Status
from order_contract.dead_letter_record import RejectedMessage
from order_contract.message import Message

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes and times of the pipeline; seconds."""

    batch_messages: int = 10_000
    batch_bytes: int = 16 * 1024 * 1024
    # The event loop is given back between slices: a COPY in flight goes on, heartbeats leave in time.
    slice_messages: int = 250
    poll_timeout: float = 0.5
    # Between announcements of a few orders: one for every stored batch would keep broker and detector busy with
    # little, and nobody waits for them as for the stored decision itself.
    announce_every: float = 0.01
    keep_alive_every: float = 1.0
    commit_every: float = 0.25
    drain: float = 15.0


class Pipeline:
    """One member of the group at work. `run` it once; it is the log's assignee."""

    def __init__(
        self,
        log: OrderLog,
        store: DecisionStore,
        announcer: Announcer,
        judge: Judge,
        *,
        now: Callable[[], datetime],
        metrics: Metrics,
        status: Status,
        limits: Limits | None = None,
    ) -> None:
        self._log = log
        self._store = store
        self._announcer = announcer
        self._judge = judge
        self._now = now
        self._metrics = metrics
        self._status = status
        self._limits = limits or Limits()
        self._backlog = Backlog(self._limits.batch_messages, self._limits.batch_bytes)
        self._outbox = Outbox(self._limits.batch_messages)
        self._progress = Progress()
        self._committing = asyncio.Lock()
        self._epoch = 0
        self._accepting = True
        self._to_open: set[int] = set()
        self._expected: dict[int, int] = {}
        self._unfinished = 0
        self._finished = asyncio.Event()
        self._finished.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then finish and commit what was read, within the drain budget.

        Raises an ExceptionGroup with what must not be survived: our own bugs, LostOffsetsError,
        RecreatedTopicError, RefusedError.
        """
        async with asyncio.TaskGroup() as group:
            workers = [group.create_task(work()) for work in (self._write, self._announce, self._commit_behind)]
            await group.create_task(self._read(stop))
            self._status.stopping()
            await self._drain()
            for worker in workers:
                worker.cancel()

    # ---- rebalances: called by the log

    async def revoked(self) -> None:
        """Finish and commit what was read of the partitions that are about to go."""
        self._accepting = False
        await self._drain()
        self._epoch += 1
        self._backlog.discard()
        self._count_finished()
        self._progress.reset()
        self._expected.clear()
        self._to_open.clear()
        self._accepting = True

    def assigned(self, partitions: Collection[int]) -> None:
        """Take over partitions: the reader opens them, outside the log's callback."""
        self._to_open = set(partitions)
        self._status.joined()

    # ---- the stages

    async def _read(self, stop: asyncio.Event) -> None:
        """Poll and judge, as long as there is room for what was judged."""
        while not stop.is_set():
            self._status.turned()
            if self._to_open:
                await self._open(stop)
            if self._backlog.full:
                await self._wait_for_room()
                continue
            epoch = self._epoch
            try:
                polled = await self._log.poll(self._limits.batch_messages, self._limits.poll_timeout)
            except UnavailableError as error:
                self._status.away(Check.READING, str(error))
                await asyncio.sleep(self._limits.poll_timeout)
                continue
            except AcceptedLossError as error:
                # What was read before has to be committed first: the gap begins where the group left off.
                if not await self._drain():
                    raise
                self._to_open.add(error.partition)
                continue
            self._status.back(Check.READING)
            for partition, messages in polled.items():
                if not await self._take_in(epoch, partition, messages):
                    break

    async def _take_in(self, epoch: int, partition: int, messages: Sequence[Message]) -> bool:
        """Judge a partition's messages, slice by slice; False when they are not ours to judge any more."""
        for start in range(0, len(messages), self._limits.slice_messages):
            if epoch != self._epoch or not self._accepting:
                return False
            part = messages[start : start + self._limits.slice_messages]
            self._backlog.add(self._judge_slice(partition, part))
            self._finished.clear()
            await asyncio.sleep(0)
        return True

    def _judge_slice(self, partition: int, messages: Sequence[Message]) -> Batch:
        batch = Batch()
        expected = self._expected.get(partition, messages[0].offset)
        decided_at = self._now()
        for message in messages:
            if message.offset > expected:
                batch.gaps.append(Gap(partition, expected, message.offset, "not on the topic"))
            expected = message.offset + 1
            judged = self._judge.judge(message, decided_at)
            if isinstance(judged, RejectedMessage):
                batch.dead_letters.append(judged)
            else:
                batch.orders.append((judged, message))
            batch.value_bytes += len(message.value or b"")
        self._expected[partition] = batch.next_offsets[partition] = expected
        self._metrics.consumed(partition, len(messages))
        return batch

    async def _open(self, stop: asyncio.Event) -> None:
        """Find where to go on in newly assigned partitions, and resume them there."""
        epoch, partitions = self._epoch, set(self._to_open)
        self._to_open.clear()
        opened = await until_available(
            lambda: self._log.start_offsets(partitions),
            check=Check.OFFSETS,
            status=self._status,
            pointless=lambda: stop.is_set() or epoch != self._epoch,
        )
        if opened is not None and epoch == self._epoch:
            starts, gaps = opened
            if gaps:
                self._backlog.add(Batch(gaps=gaps, next_offsets={gap.partition: gap.next for gap in gaps}))
                self._finished.clear()
            self._expected.update(starts)
            self._log.resume(starts)
            log.info("partitions_opened", offsets=starts)

    async def _wait_for_room(self) -> None:
        try:
            async with asyncio.timeout(self._limits.keep_alive_every):
                await self._backlog.room()
        except TimeoutError:
            await self._log.keep_alive()

    async def _write(self) -> None:
        """Store batch after batch."""
        while True:
            batch = await self._backlog.take()
            self._unfinished += 1
            epoch = self._epoch
            stored = await self._store_confirmed(batch, lambda epoch=epoch: epoch != self._epoch)  # type: ignore[misc]
            if stored is None:
                self._unfinished -= 1
                self._count_finished()
                continue
            self._metrics.stored(batch, stored, self._now())
            letters = (*batch.dead_letters, *stored.conflicts)
            await self._outbox.put(Announcement(epoch, stored.orders, letters, batch.next_offsets))

    async def _store_confirmed(self, batch: Batch, is_given_up: Callable[[], bool]) -> Stored | None:
        """Store a batch, once it is known to be of the topic that was opened; None when it was given up before."""

        await until_available(
            self._log.confirm_polled, check=Check.IDENTITY, status=self._status, pointless=is_given_up
        )
        if is_given_up():
            return None
        return await until_available(
            lambda: self._store.store(batch), check=Check.STORING, status=self._status, pointless=is_given_up
        )

    async def _announce(self) -> None:
        """Publish what was stored; then its offsets may be committed."""
        while True:
            announcements = await self._outbox.take()
            newest = announcements[-1].epoch
            orders = list(chain.from_iterable(announcement.orders for announcement in announcements))
            letters = list(chain.from_iterable(announcement.dead_letters for announcement in announcements))
            await until_available(
                lambda: self._announcer.announce(orders, letters),  # noqa: B023  (awaited before the next turn)
                check=Check.PUBLISHING,
                status=self._status,
                pointless=lambda: newest != self._epoch,  # noqa: B023
            )
            for announcement in announcements:
                # Of an old epoch: the new owner announces it again, whether or not this went through.
                if announcement.epoch == self._epoch:
                    self._progress.advance(announcement.next_offsets)
            self._unfinished -= len(announcements)
            self._count_finished()
            if len(orders) < self._limits.slice_messages:
                await asyncio.sleep(self._limits.announce_every)

    async def _commit_behind(self) -> None:
        """Commit from time to time what has been finished."""
        while True:
            await self._progress.news()
            await asyncio.sleep(self._limits.commit_every)
            await self._commit()

    async def _commit(self) -> None:
        async with self._committing:
            offsets = self._progress.uncommitted()
            if not offsets:
                return
            try:
                await self._log.commit(offsets)
            except CommitRefusedError as error:
                log.info("commit_refused", problem=str(error))
            except UnavailableError as error:
                self._status.away(Check.COMMITTING, str(error))
                self._progress.not_committed()
            else:
                self._status.back(Check.COMMITTING)
                self._progress.committed(offsets)
                self._metrics.committed(offsets)
                await self._record_positions(offsets)

    async def _record_positions(self, offsets: Mapping[int, int]) -> None:
        try:
            await self._store.record_positions(offsets)
        except UnavailableError as error:
            # Recorded positions may trail: the next commit brings them up to date, and storing reports the outage.
            log.info("positions_not_recorded", problem=str(error))

    async def _drain(self) -> bool:
        """Finish what was read, then commit; False when the budget is over before."""
        try:
            async with asyncio.timeout(self._limits.drain):
                await self._finished.wait()
                await self._commit()
        except TimeoutError:
            log.warning("drain_timed_out", seconds=self._limits.drain, consequence="the rest is read again")
            return False
        return True

    def _count_finished(self) -> None:
        if not self._unfinished and not self._backlog:
            self._finished.set()
