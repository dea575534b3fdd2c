"""Topic `orders` read by aiokafka, as a member of the consumer group."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
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

from fraud_detector.stream.ports import Assignee, CommitRefusedError, LostOffsetsError, UnavailableError
from order_contract.settings import KafkaSettings

log = structlog.get_logger()

# A member that dies is noticed after the session time-out; the broker admits no less than 6 s.
SESSION_TIMEOUT_MS = 6_000
HEARTBEAT_INTERVAL_MS = 1_000
CALL_TIMEOUT = 10.0
FETCH_BYTES = 4 * 1024 * 1024


class KafkaOrderLog(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """The real OrderLog. `join` and `leave` bracket its use; all calls come from one event loop."""

    def __init__(self, settings: KafkaSettings, *, accept_lost_offsets: bool = False) -> None:
        self._topic = settings.orders_topic
        self._group = settings.consumer_group
        self._accept_lost_offsets = accept_lost_offsets
        self._assignee: Assignee | None = None
        self._resumed: set[TopicPartition] = set()
        self._consumer = AIOKafkaConsumer(
            **settings.client_options(),
            group_id=settings.consumer_group,
            enable_auto_commit=False,
            # Where to start is decided by start_offsets: never jump over messages in silence.
            auto_offset_reset="none",
            isolation_level="read_committed",
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=HEARTBEAT_INTERVAL_MS,
            max_partition_fetch_bytes=FETCH_BYTES,
        )

    async def join(self, assignee: Assignee) -> None:
        """Connect and ask for a share of the partitions. Raises UnavailableError."""
        self._assignee = assignee
        try:
            await self._consumer.start()
        except KafkaError as error:
            raise UnavailableError(f"the broker does not answer: {error!r}") from error
        self._consumer.subscribe([self._topic], listener=self)

    async def leave(self) -> None:
        """Give the partitions back at once, rather than after the session time-out."""
        # The pipeline has drained; there is nothing left to revoke.
        self._assignee = None
        await self._consumer.stop()

    async def poll(self, max_messages: int, wait_seconds: float) -> Mapping[int, Sequence[ConsumerRecord]]:
        try:
            polled = await self._consumer.getmany(timeout_ms=int(wait_seconds * 1000), max_records=max_messages)
        except OffsetOutOfRangeError as error:
            raise await self._lost(error) from None
        except NoOffsetForPartitionError:
            # A new group's partition that is not resumed yet: seeking to its start clears this.
            await asyncio.sleep(0.01)
            return {}
        except KafkaError as error:
            if not error.retriable:
                raise
            raise UnavailableError(f"the broker does not answer: {error!r}") from error
        return {partition.partition: records for partition, records in polled.items() if partition in self._resumed}

    async def keep_alive(self) -> None:
        assigned = self._consumer.assignment()
        self._consumer.pause(*assigned)
        try:
            await self._consumer.getmany(timeout_ms=0)
        finally:
            self._consumer.resume(*(assigned & self._resumed & self._consumer.assignment()))

    async def start_offsets(self, partitions: Collection[int]) -> dict[int, int]:
        parts = self._parts(partitions)
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                beginnings = await self._consumer.beginning_offsets(parts)
                ends = await self._consumer.end_offsets(parts)
                committed = {part: await self._consumer.committed(part) for part in parts}
        except (KafkaError, TimeoutError) as error:
            raise UnavailableError(f"offsets could not be read: {error!r}") from error
        starts = {}
        for part in parts:
            beginning, end, start = beginnings[part], ends[part], committed[part]
            if start is None:
                start = beginning
            elif start < beginning and self._accept_lost_offsets:
                log.error("lost_offsets_accepted", partition=part.partition, first=start, next=beginning)
            elif not beginning <= start <= end:
                raise self._lost_range(part, start, beginning, end)
            starts[part.partition] = start
        return starts

    def resume(self, offsets: Mapping[int, int]) -> None:
        assigned = self._consumer.assignment()
        for part in self._parts(offsets):
            if part in assigned:
                self._consumer.seek(part, offsets[part.partition])
                self._consumer.resume(part)
                self._resumed.add(part)

    async def commit(self, offsets: Mapping[int, int]) -> None:
        assigned = self._consumer.assignment()
        ours = {part: offsets[part.partition] for part in self._parts(offsets) if part in assigned}
        if not ours:
            raise CommitRefusedError("none of the partitions is ours any more")
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                await self._consumer.commit(ours)
        except (
            CommitFailedError,
            IllegalStateError,
            IllegalGenerationError,
            UnknownMemberIdError,
            RebalanceInProgressError,
        ) as error:
            raise CommitRefusedError(repr(error)) from error
        except (KafkaError, TimeoutError) as error:
            raise UnavailableError(f"offsets could not be committed: {error!r}") from error

    async def lags(self) -> dict[int, int]:
        """Messages behind, by partition of ours; a round trip that shows whether the broker answers.

        Raises UnavailableError.
        """
        parts = [part for part in self._consumer.assignment() if part in self._resumed]
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                if not parts:
                    await self._consumer.topics()
                    return {}
                ends = await self._consumer.end_offsets(parts)
                return {part.partition: end - await self._consumer.position(part) for part, end in ends.items()}
        except IllegalStateError:  # rebalanced meanwhile
            return {}
        except (KafkaError, TimeoutError) as error:
            raise UnavailableError(f"the broker does not answer: {error!r}") from error

    # ---- aiokafka's listener

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        if self._assignee is not None and self._resumed:
            await self._assignee.revoked()
        self._resumed.clear()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        partitions = list(assigned)
        self._consumer.pause(*partitions)
        log.info("partitions_assigned", partitions=sorted(part.partition for part in partitions))
        if self._assignee is not None:
            self._assignee.assigned([part.partition for part in partitions])

    # ---- errors

    async def _lost(self, error: OffsetOutOfRangeError) -> LostOffsetsError:
        part, position = next(iter(error.args[0].items()))
        beginning = (await self._consumer.beginning_offsets([part]))[part]
        end = (await self._consumer.end_offsets([part]))[part]
        return self._lost_range(part, position, beginning, end)

    def _lost_range(self, part: TopicPartition, position: int, beginning: int, end: int) -> LostOffsetsError:
        where = f"{part.topic}/{part.partition}"
        if position < beginning:
            return LostOffsetsError(
                f"{where}: offsets {position} to {beginning - 1} are gone from the topic (retention) before group "
                f"'{self._group}' read them; set ORDERWATCH_ACCEPT_LOST_OFFSETS=true to go on at {beginning} and have "
                f"the gap recorded, or publish the missing orders again"
            )
        return LostOffsetsError(
            f"{where}: group '{self._group}' goes on at offset {position}, but the topic ends at {end}: was it "
            f"created anew? Set ORDERWATCH_CONSUMER_GROUP to a new group to read it from its beginning"
        )

    def _parts(self, partitions: Iterable[int]) -> list[TopicPartition]:
        return [TopicPartition(self._topic, partition) for partition in sorted(partitions)]
