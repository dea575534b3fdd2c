"""Reading the original messages of dead letters, from the topic they came from or the dead-letter topic."""

from datetime import timedelta
from typing import Final, Self

from aiokafka import TopicPartition

from dead_letters.model import DeadLetter, OriginalMessage
from order_contract.dead_letter_record import dead_letter_key, original_headers, original_key
from order_contract.event import read_claimed_id
from order_platform.kafka.topic_reader import KeySearch, Missing, TopicReader
from order_platform.postgres.sql_builder import QueryExecutor
from order_platform.postgres.topic_epochs import find_epoch, read_epochs
from order_platform.settings import KafkaSettings

READ_SECONDS: Final = 10.0
# Small fetches, as one message is wanted; a larger one comes all the same.
FETCH_BYTES: Final = 64 * 1024
# `recorded_at` is the database's clock, a record's timestamp the broker's.
CLOCK_SKEW: Final = timedelta(minutes=1)


class OriginalMessageReader:
    """Finds original messages where they came from, else on the dead-letter topic. Use as an async context manager.

    Raises KafkaError or TimeoutError when the broker is unavailable.
    """

    def __init__(self, settings: KafkaSettings, database: QueryExecutor) -> None:
        self._database = database
        self._dead_letter_topic = settings.dead_letter_topic
        self._topics = TopicReader(
            settings,
            stall_seconds=READ_SECONDS,
            auto_offset_reset="none",
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_wait_ms=100,
        )

    async def __aenter__(self) -> Self:
        await self._topics.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._topics.__aexit__(*exc_info)

    async def find(self, dead_letter: DeadLetter) -> OriginalMessage | None:
        """The original message, None when neither topic keeps it any more."""
        return await self._find_at_origin(dead_letter) or await self._find_record(dead_letter)

    async def topic_epoch(self, topic: str) -> int | None:
        """The epoch of the topic that exists now; None for one that was created again and is not accepted yet."""
        return find_epoch(await read_epochs(self._database, topic), await self._topics.topic_id(topic))

    async def _find_at_origin(self, dead_letter: DeadLetter) -> OriginalMessage | None:
        topic, partition, offset, epoch = dead_letter.origin
        if TopicPartition(topic, partition) not in await self._topics.partitions(topic):
            return None
        if epoch != await self.topic_epoch(topic):
            return None  # the topic was deleted and created again: another message has this offset
        message = (await self._topics.find_at(topic, [(partition, offset)]))[partition, offset]
        if isinstance(message, Missing) or read_claimed_id(message.value, "order_id") != dead_letter.order_id:
            return None
        return OriginalMessage(topic, message.key, tuple(message.headers), message.value)

    async def _find_record(self, dead_letter: DeadLetter) -> OriginalMessage | None:
        topic, key = self._dead_letter_topic, dead_letter_key(dead_letter.origin)
        since = int((dead_letter.recorded_at - CLOCK_SKEW).timestamp() * 1000)
        searches = [KeySearch(part.partition, key, since) for part in await self._topics.partitions(topic)]
        record = (await self._topics.find_by_key(topic, searches)).get(key)
        if record is None or isinstance(record, Missing):
            return None
        return OriginalMessage(topic, original_key(record.headers), original_headers(record.headers), record.value)
