"""Topic `orders`, and topic `labels`, read by aiokafka as a member of a consumer group."""

import asyncio
import math
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import structlog
from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from aiokafka.structs import OffsetAndMetadata

from fraud_detector.stream.batch import Gap
from fraud_detector.stream.member_records import MemberRecords
from fraud_detector.stream.ports import (
    AcceptedLossError,
    CommitRefusedError,
    DependencyUnavailableError,
    LostOffsetsError,
    RebalanceListener,
    RefusedError,
)
from order_platform.kafka.committed_offsets import commit_metadata, read_committed
from order_platform.kafka.consumer import Consumer
from order_platform.kafka.errors import describe, is_permanent
from order_platform.kafka.group_members import remove_members
from order_platform.kafka.startup import finish_start
from order_platform.kafka.topic_identity import TopicIdentity
from order_platform.postgres.topic_epochs import RecreatedTopicError
from order_platform.settings import KafkaSettings, Subscription

log = structlog.get_logger()

# A member that dies is noticed after the session time-out; the broker accepts no less than 6 s.
SESSION_TIMEOUT_MS = 6_000
HEARTBEAT_INTERVAL_MS = 1_000
CALL_TIMEOUT = 10.0
# Beyond what a poll waits for messages: a rebalance is awaited for this long.
REBALANCE_WAIT = 0.5
ACCEPTED_GAP = "deleted from the topic (retention) before they were read, which the settings accept"
FETCH_BYTES = 4 * 1024 * 1024
# A topic cannot be deleted, be created again and get so many messages in each partition within this time: until then
# its id need not be read again, which costs as much as deciding several orders.
FRESH_SECONDS = 0.02
FRESH_OFFSETS = 1_000
UNTIL_TIMEOUT = f"after a kill, its partitions are free when {SESSION_TIMEOUT_MS // 1_000} s have passed"
# Partitions that are added to the topic are noticed within this time.
METADATA_MAX_AGE_MS = 30_000


class KafkaOrderConsumer(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """The OrderConsumer on Kafka; all calls come from one event loop.

    What was polled is confirmed only after the topic's id was read again. Otherwise a topic that was deleted and
    created again between two polls would be read from the old topic's offset, and its messages before that skipped.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        subscription: Subscription | None = None,
        *,
        accept_lost_offsets: bool = False,
        members: Path | None = None,
    ) -> None:
        """Of topic orders, unless another `subscription` is given.

        `members` is the directory where the group's members on this machine are recorded: those that were killed are
        removed from the group when this one joins it.
        """
        self._settings = settings
        self._topic, self._group = subscription or settings.orders
        self._identity = TopicIdentity(settings, self._topic)
        self._topic_id: UUID | None = None
        self._verified_at = -math.inf
        self._epoch = 1
        self._accept_lost_offsets = accept_lost_offsets
        self._records = None if members is None else MemberRecords(members, self._group)
        self._listener: RebalanceListener | None = None
        self._resumed: set[TopicPartition] = set()
        self._has_assignment = False
        self._fetched_at = -math.inf
        self._verifying: asyncio.Task[None] | None = None
        self._consumer = Consumer(
            **settings.client_options(),
            group_id=self._group,
            enable_auto_commit=False,
            # Where to start is decided by start_offsets: never skip messages silently.
            auto_offset_reset="none",
            isolation_level="read_committed",
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=HEARTBEAT_INTERVAL_MS,
            max_partition_fetch_bytes=FETCH_BYTES,
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
        )

    async def identify(self) -> UUID | None:
        try:
            await self._identity.start()
            self._topic_id = await self._identity.read()
        except KafkaError as error:
            raise _unavailable(error, f"the id of topic {self._topic} could not be read") from error
        if self._topic_id is None:
            log.warning(
                "topic_without_id",
                topic=self._topic,
                consequence="a topic that is deleted and created again is recognised by its offsets alone",
            )
        return self._topic_id

    def bind(self, epoch: int) -> None:
        self._epoch = epoch

    async def join(self, listener: RebalanceListener) -> None:
        self._listener = listener
        try:
            await finish_start(self._consumer.start())
        except KafkaError as error:
            raise _unavailable(error, "the broker does not respond") from error
        await self._remove_ended_members()
        self._consumer.subscribe([self._topic], listener=self)

    async def close(self) -> None:
        # The pipeline has drained; there is nothing left to revoke.
        self._listener = None
        if self._verifying is not None:
            self._verifying.cancel()
            await asyncio.gather(self._verifying, return_exceptions=True)
        await self._consumer.stop()
        if self._records is not None:
            self._records.delete()
        await self._identity.stop()

    async def poll(self, max_messages: int, wait_seconds: float) -> Mapping[int, Sequence[ConsumerRecord]]:
        polled = await self._fetch(max_messages, wait_seconds)
        if polled and not self._is_identity_fresh(polled):
            self._fetched_at = time.monotonic()
            if self._verifying is None:
                # Already now: the response is there by the time that the batch has been decided.
                self._verifying = asyncio.create_task(self._verify_identity())
        return polled

    async def confirm_polled(self) -> None:
        while self._topic_id is not None and self._verified_at < self._fetched_at:
            verifying = self._verifying or asyncio.create_task(self._verify_identity())
            self._verifying = None
            await verifying

    def _is_identity_fresh(self, polled: Mapping[int, Sequence[ConsumerRecord]]) -> bool:
        """Whether what was polled cannot be of another topic than at the last time that its id was read."""
        return (
            time.monotonic() - self._verified_at < FRESH_SECONDS
            and min(records[0].offset for records in polled.values()) >= FRESH_OFFSETS
        )

    async def _fetch(self, max_messages: int, wait_seconds: float) -> Mapping[int, Sequence[ConsumerRecord]]:
        try:
            polled = await self._get_many(wait_seconds, max_messages)
        except OffsetOutOfRangeError as error:
            await self._verify_identity()
            raise await self._find_loss(error) from None
        except NoOffsetForPartitionError:
            # A new group's partition that is not resumed yet: seeking to its start clears this.
            await asyncio.sleep(0.01)
            return {}
        except KafkaError as error:
            if not error.retriable and not is_permanent(error):
                raise
            raise _unavailable(error, f"topic {self._topic} cannot be read") from error
        return {partition.partition: records for partition, records in polled.items() if partition in self._resumed}

    async def _get_many(
        self, wait_seconds: float, max_messages: int | None = None
    ) -> Mapping[TopicPartition, Sequence[ConsumerRecord]]:
        """What aiokafka has fetched, and nothing during a rebalance.

        aiokafka waits for the end of a rebalance without a limit, and while the broker is unavailable none ends.
        """
        try:
            async with asyncio.timeout(wait_seconds + REBALANCE_WAIT):
                fetched: Mapping[TopicPartition, Sequence[ConsumerRecord]] = await self._consumer.getmany(
                    timeout_ms=int(wait_seconds * 1000), max_records=max_messages
                )
        except TimeoutError:
            return {}
        return fetched

    async def keep_alive(self) -> None:
        assigned = self._consumer.assignment()
        self._consumer.pause(*assigned)
        try:
            await self._get_many(0)
        finally:
            self._consumer.resume(*(assigned & self._resumed & self._consumer.assignment()))

    async def start_offsets(self, partitions: Collection[int]) -> tuple[dict[int, int], list[Gap]]:
        parts = self._parts(partitions)
        await self._verify_identity()
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                beginnings = await self._consumer.beginning_offsets(parts)
                ends = await self._consumer.end_offsets(parts)
                expected = commit_metadata(self._topic_id, self._epoch)
                committed = await read_committed(self._settings, self._group, parts, expected)
        except (KafkaError, TimeoutError) as error:
            raise _unavailable(error, "offsets could not be read") from error
        starts, gaps = {}, []
        for part in parts:
            beginning, end, start = beginnings[part], ends[part], committed.get(part)
            if start is None:
                start = beginning
            elif start < beginning and self._accept_lost_offsets:
                gaps.append(Gap(part.partition, start, beginning, ACCEPTED_GAP))
                log.error("lost_offsets_accepted", partition=part.partition, first=start, next=beginning)
                start = beginning
            elif not beginning <= start <= end:
                raise self._lost_range(part, start, beginning, end)
            starts[part.partition] = start
        return starts, gaps

    async def _verify_identity(self) -> None:
        """Raises RecreatedTopicError when the topic is another one than at the start, DependencyUnavailableError."""
        if self._topic_id is None:
            return
        started = time.monotonic()
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                topic_id = await self._identity.read()
        except (KafkaError, TimeoutError) as error:
            raise _unavailable(error, f"the id of topic {self._topic} could not be read") from error
        if topic_id != self._topic_id:
            raise RecreatedTopicError(
                f"topic {self._topic} was deleted and created again while it was read: its id was {self._topic_id} and "
                f"is {topic_id} now"
            )
        self._verified_at = started

    def resume(self, offsets: Mapping[int, int]) -> None:
        assigned = self._consumer.assignment()
        for part in self._parts(offsets):
            if part in assigned:
                self._consumer.seek(part, offsets[part.partition])
                self._consumer.resume(part)
                self._resumed.add(part)

    async def commit(self, offsets: Mapping[int, int]) -> None:
        assigned = self._consumer.assignment()
        metadata = commit_metadata(self._topic_id, self._epoch)
        assigned_offsets = {
            part: OffsetAndMetadata(offsets[part.partition], metadata)
            for part in self._parts(offsets)
            if part in assigned
        }
        if not assigned_offsets:
            raise CommitRefusedError("none of the partitions is assigned any more")
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                await self._consumer.commit(assigned_offsets)
        except (
            CommitFailedError,
            IllegalStateError,
            IllegalGenerationError,
            UnknownMemberIdError,
            RebalanceInProgressError,
        ) as error:
            raise CommitRefusedError(repr(error)) from error
        except (KafkaError, TimeoutError) as error:
            raise _unavailable(error, "offsets could not be committed") from error

    async def lags(self) -> dict[int, int]:
        await self._verify_identity()
        parts = [part for part in self._consumer.assignment() if part in self._resumed]
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                if not parts:
                    await self._consumer.topics()
                    return {}
                ends = await self._consumer.end_offsets(parts)
                return {part.partition: end - await self._consumer.position(part) for part, end in ends.items()}
        except IllegalStateError:  # rebalanced in the meantime
            return {}
        except (KafkaError, TimeoutError) as error:
            raise _unavailable(error, "the broker does not respond") from error

    # ---- aiokafka's listener

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        if partitions := sorted(part.partition for part in revoked):
            log.info("partitions_revoked", topic=self._topic, partitions=partitions)
        # Also when nothing was resumed yet: what is being opened is not this member's any more.
        if self._listener is not None and self._has_assignment:
            await self._listener.revoked()
        self._has_assignment = False
        self._resumed.clear()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        partitions = list(assigned)
        self._consumer.pause(*partitions)
        self._has_assignment = True
        self._record_member()
        log.info("partitions_assigned", topic=self._topic, partitions=sorted(part.partition for part in partitions))
        if self._listener is not None:
            self._listener.assigned([part.partition for part in partitions])

    # ---- members that were killed

    async def _remove_ended_members(self) -> None:
        """Remove members from the group that ended on this machine without leaving it: their partitions are free then.

        Otherwise the session time-out frees them, so the detector starts even when this fails.
        """
        if self._records is None:
            return
        try:
            with self._records.ended_members() as ended:
                if ended:
                    async with asyncio.timeout(CALL_TIMEOUT):
                        await remove_members(self._settings, self._group, ended)
                    log.info("ended_members_removed", group=self._group, members=ended)
        except (KafkaError, OSError) as error:  # a time-out is an OSError
            log.warning("ended_members_not_removed", group=self._group, problem=repr(error), consequence=UNTIL_TIMEOUT)

    def _record_member(self) -> None:
        if self._records is not None:
            try:
                self._records.write(self._consumer.member_id)
            except OSError as error:
                log.warning("member_not_recorded", group=self._group, problem=str(error), consequence=UNTIL_TIMEOUT)

    # ---- errors

    async def _find_loss(self, error: OffsetOutOfRangeError) -> LostOffsetsError:
        part, position = next(iter(error.args[0].items()))
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                beginning = (await self._consumer.beginning_offsets([part]))[part]
                end = (await self._consumer.end_offsets([part]))[part]
        except (KafkaError, TimeoutError) as unavailable:
            raise _unavailable(unavailable, "offsets could not be read") from unavailable
        lost = self._lost_range(part, position, beginning, end)
        if self._accept_lost_offsets and position < beginning:
            self._resumed.discard(part)
            with suppress(IllegalStateError):
                self._consumer.pause(part)
                self._consumer.seek(part, beginning)
            return AcceptedLossError(str(lost), part.partition)
        return lost

    def _lost_range(self, part: TopicPartition, position: int, beginning: int, end: int) -> LostOffsetsError:
        where = f"{part.topic}/{part.partition}"
        if position < beginning:
            return LostOffsetsError(
                f"{where}: offsets {position} to {beginning - 1} were deleted from the topic (retention) before group "
                f"'{self._group}' read them; set ORDERWATCH_ACCEPT_LOST_OFFSETS=true to resume at {beginning} and have "
                f"the gap recorded, or publish the missing orders again"
            )
        return LostOffsetsError(
            f"{where}: group '{self._group}' resumes at offset {position}, but the topic ends at {end}: it lost its "
            f"last messages or was created again. `fraud-detector accept-topic` reads it from its beginning"
        )

    def _parts(self, partitions: Iterable[int]) -> list[TopicPartition]:
        return [TopicPartition(self._topic, partition) for partition in sorted(partitions)]


def _unavailable(error: KafkaError | TimeoutError, what: str) -> Exception:
    """The error to raise for one of the broker: RefusedError when no retry cures it."""
    if isinstance(error, KafkaError) and is_permanent(error):
        return RefusedError(f"{what}: {describe(error)}")
    return DependencyUnavailableError(f"{what}: {error!r}")
