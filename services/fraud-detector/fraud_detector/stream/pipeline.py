"""The pipeline: the detector's loop, over its ports.

    poll -> decide -> [batch buffer] -> store -> [publish queue] -> publish -> [offset tracker] -> commit

Each buffer hands over from one task to the next, in order: while one batch is stored the next is decided and the one
before is published. Offsets advance only when their batch is stored and published, so commits trail and never lead.

A rebalance ends an assignment: `revoked` lets what was read be finished and committed, or dropped when the budget is
spent; what belongs to an earlier assignment never advances offsets. Storing such a late batch is harmless, as the
first stored decision stays and every member publishes what is stored.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import TypeVar

import structlog

from decision_engine.history.stream_features import StreamFeatures
from fraud_detector.stream.batch import Batch, Gap, StoreResult
from fraud_detector.stream.buffers import BatchBuffer
from fraud_detector.stream.dead_letter_limit import DeadLetterLimit
from fraud_detector.stream.evaluator_switch import EvaluatorSwitch
from fraud_detector.stream.health import Check, HealthState, retry_while_unavailable
from fraud_detector.stream.history_follower import HistoryFollower
from fraud_detector.stream.limits import Limits
from fraud_detector.stream.metrics import DetectorMetrics, Stage
from fraud_detector.stream.offset_committer import OffsetCommitter
from fraud_detector.stream.order_evaluator import OrderEvaluator
from fraud_detector.stream.ports import (
    AcceptedLossError,
    DecisionPublisher,
    DecisionStore,
    DependencyUnavailableError,
    OrderConsumer,
    UnstoredOrdersError,
)
from order_contract.dead_letter_record import RejectedMessage
from order_contract.message import Message
from order_platform.cancellation import task_is_cancelled

log = structlog.get_logger()

Result = TypeVar("Result")


class Pipeline:
    """One member of the group at work. `run` it once; it is the consumer's rebalance listener."""

    def __init__(
        self,
        consumer: OrderConsumer,
        store: DecisionStore,
        publisher: DecisionPublisher,
        evaluator: OrderEvaluator,
        *,
        now: Callable[[], datetime],
        metrics: DetectorMetrics,
        health: HealthState,
        limits: Limits | None = None,
        dead_letter_limit: DeadLetterLimit | None = None,
        follower: HistoryFollower | None = None,
    ) -> None:
        self._consumer = consumer
        self._store = store
        self._publisher = publisher
        self._evaluator = evaluator
        self._follower = follower
        self._now = now
        self._metrics = metrics
        self._health = health
        self._limits = limits or Limits()
        self._dead_letter_limit = dead_letter_limit or DeadLetterLimit()
        self._batch_buffer = BatchBuffer(self._limits.batch_messages, self._limits.batch_bytes)
        self._publish_queue = BatchBuffer(self._limits.batch_messages, self._limits.batch_bytes)
        self._committer = OffsetCommitter(consumer, store, committed=self._committed, metrics=metrics, health=health)
        self._assignment = 0
        self._accepting = True
        self._to_open: set[int] = set()
        self._expected: dict[int, int] = {}
        self._switch: EvaluatorSwitch | None = None
        self._rest: Callable[[], None] | None = None
        self._storing: Batch | None = None
        self._may_decide = asyncio.Event()
        self._may_decide.set()
        self._unfinished = 0
        self._finished = asyncio.Event()
        self._finished.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then finish and commit what was read, within the drain budget.

        Raises an ExceptionGroup with what ends the process: our own bugs, ActionRequiredError.
        """
        async with asyncio.TaskGroup() as group:
            stages = {
                "store": self._store_batches(),
                "publish": self._publish_stored(),
                "commit": self._committer.run(self._limits.commit_every),
            }
            workers = [group.create_task(work, name=name) for name, work in stages.items()]
            following = group.create_task(self._follower.run(), name="follow") if self._follower else None
            await group.create_task(self._read(stop), name="poll and decide")
            self._health.stopping()
            await self._drain()
            for worker in workers:
                worker.cancel()
            if self._follower:
                self._follower.stop()
            if following:
                await asyncio.wait([following], timeout=self._limits.follower_stop)
                following.cancel()

    # ---- rebalances: called by the consumer

    async def revoked(self) -> None:
        """Finish and commit what was read of the partitions that are about to be revoked."""
        self._accepting = False
        await self._drain()
        self._assignment += 1
        self._evaluator.drop(self.unstored_batches())
        self._storing = None  # taken back once, though the store may not have returned yet
        self._batch_buffer.discard()
        if self._follower:
            self._follower.release()
        self._count_finished()
        self._committer.reset()
        self._expected.clear()
        self._dead_letter_limit.reset()
        self._to_open.clear()
        self._accepting = True

    def assigned(self, partitions: Collection[int]) -> None:
        """Take over partitions: the reader opens them, outside the consumer's callback."""
        self._to_open = set(partitions)
        self._health.joined()

    @property
    def is_idle(self) -> bool:
        """Whether everything that was read is decided, stored and published."""
        return self._finished.is_set()

    @property
    def evaluator(self) -> OrderEvaluator:
        """What decides now."""
        return self._evaluator

    def stored_histories(self) -> tuple[StreamFeatures, Mapping[int, int]] | None:
        """The histories of what is known to be stored, and the positions on topic `decisions` that they cover.

        What is not stored yet is taken back: for a forked process that writes them.
        """
        history, follower = self._evaluator.history, self._follower
        # A version without features has histories only while those of earlier versions are kept: no start needs them.
        if history is None or follower is None or not history.keys_by_feature:
            return None
        self._evaluator.take_back(self.unstored_batches())
        return history, follower.positions

    async def switch(self, switch: EvaluatorSwitch) -> None:
        """Decide by another evaluator from between two batches on: at once when its histories are the present ones."""
        if switch.follower is self._follower:
            await self._may_decide.wait()  # what is being decided again has the features of one evaluator
            switch.begin()
            self._evaluator = switch.evaluator
            switch.done.set()
            return
        self._switch = switch
        try:
            await switch.done.wait()
        finally:
            self._switch = None

    async def at_rest(self, call: Callable[[], Result]) -> Result:
        """The result of a call between two batches, when everything that was decided is stored and published."""
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

        def answer() -> None:
            try:
                result.set_result(call())
            except Exception as error:  # noqa: BLE001  (it is raised where the call was made)
                result.set_exception(error)

        self._rest = answer
        try:
            return await result
        finally:
            self._rest = None

    # ---- the stages

    async def _read(self, stop: asyncio.Event) -> None:
        """Poll and decide, as long as there is room for what was decided."""
        while not stop.is_set():
            if task_is_cancelled():
                raise asyncio.CancelledError  # aiokafka may have swallowed it, and `run` would take this for a stop
            self._health.heartbeat()
            if self._to_open:
                await self._open(stop)
            if self._switch:
                await self._take_over(self._switch, stop)
            if self._rest is not None:
                await self._answer_at_rest(stop)
            most = self._limits.messages(has_history=self._evaluator.has_history)
            self._batch_buffer.max_messages = most
            if self._batch_buffer.full:
                await self._wait_for_room()
                continue
            assignment = self._assignment
            try:
                with self._metrics.timed(Stage.POLL):
                    polled = await self._consumer.poll(most, self._limits.poll_timeout)
            except DependencyUnavailableError as error:
                self._health.unavailable(Check.READING, str(error))
                await asyncio.sleep(self._limits.poll_timeout)
                continue
            except AcceptedLossError as error:
                # What was read before has to be committed first: the gap begins where the group stopped.
                if not await self._drain():
                    raise
                self._to_open.add(error.partition)
                continue
            self._health.recovered(Check.READING)
            for partition, messages in polled.items():
                if not await self._decide(assignment, partition, messages):
                    break

    async def _take_over(self, switch: EvaluatorSwitch, stop: asyncio.Event) -> None:
        """Let another evaluator decide, unless the partitions change or it is withdrawn in the meantime."""
        assignment = self._assignment

        # What was decided is published then: the other histories have it once they have followed up to there.
        def is_cancelled() -> bool:
            return stop.is_set() or not self._accepting or assignment != self._assignment or switch is not self._switch

        await self._finish_decided(is_cancelled)
        if await switch.take_over(list(self._expected), self._health, is_cancelled):
            self._evaluator, self._follower, self._switch = switch.evaluator, switch.follower, None
            self._evaluator.advance(self._expected)
            switch.done.set()

    async def _answer_at_rest(self, stop: asyncio.Event) -> None:
        await self._finish_decided(lambda: stop.is_set() or self._rest is None)
        answer, self._rest = self._rest, None
        if answer is not None and self._finished.is_set():
            answer()

    async def _finish_decided(self, is_cancelled: Callable[[], bool]) -> None:
        """Wait until everything that was decided is stored and published."""
        while not self._finished.is_set() and not is_cancelled():
            await self._keep_alive_until(self._finished.wait())

    async def _decide(self, assignment: int, partition: int, messages: Sequence[Message]) -> bool:
        """Decide a partition's messages, slice by slice; False when they are not assigned any more."""
        for start in range(0, len(messages), self._limits.slice_messages):
            await self._may_decide.wait()
            if assignment != self._assignment or not self._accepting:
                return False
            part = messages[start : start + self._limits.slice_messages]
            with self._metrics.timed(Stage.DECIDE):
                batch = self._decide_slice(partition, part)
            self._batch_buffer.add(batch)
            self._finished.clear()
            await asyncio.sleep(0)
        return True

    def _decide_slice(self, partition: int, messages: Sequence[Message]) -> Batch:
        has_history, limit = self._evaluator.has_history, self._dead_letter_limit
        batch = Batch(has_history=has_history)
        uncounted = batch.uncounted if has_history else None
        self._evaluator.note_start(batch, partition)
        expected = self._expected.get(partition, messages[0].offset)
        decided_at = self._now()
        for message in messages:
            if message.offset > expected:
                batch.gaps.append(Gap(partition, expected, message.offset, "not on the topic"))
            expected = message.offset + 1
            decided = self._evaluator.evaluate(message, decided_at, uncounted)
            if isinstance(decided, RejectedMessage):
                batch.dead_letters.append(decided)
            else:
                batch.orders.append((decided, message))
            if limit.is_on:
                limit.count(partition, decided if isinstance(decided, RejectedMessage) else None)
            batch.value_bytes += len(message.value or b"")
        self._expected[partition] = batch.next_offsets[partition] = expected
        self._evaluator.advance(batch.next_offsets)
        self._metrics.consumed(partition, len(messages))
        return batch

    async def _open(self, stop: asyncio.Event) -> None:
        """Find where to resume newly assigned partitions, and resume them there."""
        assignment, partitions = self._assignment, set(self._to_open)
        self._to_open.clear()

        def is_cancelled() -> bool:
            self._health.heartbeat()  # waiting for the histories is not being stuck
            return stop.is_set() or not self._accepting or assignment != self._assignment

        async def open_partitions() -> tuple[dict[int, int], list[Gap]] | None:
            starts = await self._consumer.start_offsets(partitions)
            # What is committed was published: the histories have it once they have followed up to there.
            if self._follower and not await self._follower.take_over(partitions, is_cancelled):
                return None
            return starts

        opened = await retry_while_unavailable(
            open_partitions, check=Check.OFFSETS, health=self._health, is_cancelled=is_cancelled
        )
        if opened is not None and not is_cancelled():
            starts, gaps = opened
            if gaps:
                self._batch_buffer.add(Batch(gaps=gaps, next_offsets={gap.partition: gap.next for gap in gaps}))
                self._finished.clear()
            self._expected.update(starts)
            self._evaluator.advance(starts)
            self._consumer.resume(starts)
            log.info("partitions_opened", offsets=starts)

    async def _wait_for_room(self) -> None:
        with self._metrics.timed(Stage.WAITING):
            await self._keep_alive_until(self._batch_buffer.room())

    async def _keep_alive_until(self, waiting: Awaitable[object]) -> None:
        """Wait for a while without reading; the group is notified that this member is alive."""
        self._health.heartbeat()
        try:
            async with asyncio.timeout(self._limits.keep_alive_every):
                await waiting
        except TimeoutError:
            await self._consumer.keep_alive()

    async def _store_batches(self) -> None:
        """Store what was decided, batch after batch."""
        while True:
            batch, *later = await self._batch_buffer.take()
            for each in later:
                batch.extend(each)
            self._unfinished += 1
            batch.assignment = self._assignment
            self._storing = batch
            with self._metrics.timed(Stage.STORE):
                result = await self._store_confirmed(batch)
            self._storing = None
            if result is None:
                self._unfinished -= 1
                self._count_finished()
                continue
            self._metrics.stored(batch, result, self._now())
            batch.result = result
            self._evaluator.were_not_stored(result.retired)
            if self._publish_queue.full:
                with self._metrics.timed(Stage.WAITING):
                    await self._publish_queue.room()
            self._publish_queue.add(batch)

    async def _store_confirmed(self, batch: Batch) -> StoreResult | None:
        """Store a batch, once it is known to be of the topic that was opened; None when it was revoked before."""

        def is_revoked() -> bool:
            return batch.assignment != self._assignment

        await retry_while_unavailable(
            self._consumer.confirm_polled, check=Check.IDENTITY, health=self._health, is_cancelled=is_revoked
        )
        while not is_revoked():
            try:
                return await retry_while_unavailable(
                    lambda: self._store.store(batch), check=Check.STORING, health=self._health, is_cancelled=is_revoked
                )
            except UnstoredOrdersError as error:
                if not is_revoked():
                    await self._decide_again(error.origins, is_revoked)
        return None

    async def _decide_again(self, unstored: Collection[tuple[int, int]], is_revoked: Callable[[], bool]) -> None:
        """Decide again what counted orders that do not count; the reader decides nothing in the meantime."""
        self._may_decide.clear()
        try:
            for _ in self._evaluator.decide_again(self.unstored_batches(), unstored):
                await asyncio.sleep(0)
                if is_revoked():
                    return
        finally:
            self._may_decide.set()

    def unstored_batches(self) -> list[Batch]:
        """What was decided and is not known to be stored, in order."""
        return [*([self._storing] if self._storing else []), *self._batch_buffer.batches]

    async def _publish_stored(self) -> None:
        """Publish what was stored; then its offsets may be committed."""
        while True:
            taken = await self._publish_queue.take()
            # The new owner publishes what belongs to an earlier assignment. Published here, it could come before what
            # was dropped when its publishing failed, and those who follow a partition rely on its sequence.
            newest = self._assignment
            batches = [batch for batch in taken if batch.assignment == newest]
            orders = list(chain.from_iterable(batch.result.orders for batch in batches))
            letters = list(
                chain.from_iterable(
                    (*batch.dead_letters, *batch.result.conflicts, *batch.result.retired) for batch in batches
                )
            )
            with self._metrics.timed(Stage.PUBLISH):
                published = await retry_while_unavailable(
                    lambda: self._publisher.publish(orders, letters),  # noqa: B023  (awaited before the next turn)
                    check=Check.PUBLISHING,
                    health=self._health,
                    is_cancelled=lambda: newest != self._assignment,  # noqa: B023
                )
            # Of an earlier assignment: the new owner publishes it again, whether or not this succeeded.
            if newest == self._assignment and published is not None:
                self._committer.advance((batch.next_offsets for batch in batches), published)
            self._unfinished -= len(taken)
            self._count_finished()
            if len(orders) < self._limits.slice_messages:
                await asyncio.sleep(self._limits.publish_every)

    def _committed(self, published: Mapping[int, int]) -> None:
        if self._follower:
            self._follower.committed(published)

    async def _drain(self) -> bool:
        """Finish what was read, then commit; False when the budget is over before."""
        try:
            async with asyncio.timeout(self._limits.drain):
                await self._finished.wait()
                await self._committer.commit()
        except TimeoutError:
            log.warning("drain_timed_out", seconds=self._limits.drain, consequence="the rest is read again")
            return False
        return True

    def _count_finished(self) -> None:
        if not self._unfinished and not self._batch_buffer:
            self._finished.set()
