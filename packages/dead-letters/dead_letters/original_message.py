"""The original bytes of dead letters, from where they still are."""

import asyncio
from datetime import timedelta
from typing import Final

from aiokafka import ConsumerRecord, TopicPartition

from dead_letters.model import Letter, Original
from order_contract.dead_letter_record import dead_letter_key, original_headers, original_key
from order_contract.event import read_claimed_id
from order_contract.origin import Origin
from order_platform.kafka.topic_client import TopicClient
from order_platform.kafka.topic_identity import TopicIdentity
from order_platform.postgres.topic_epochs import Database, epoch_of, known_epochs
from order_platform.settings import KafkaSettings

READ_SECONDS: Final = 10.0
# One message is wanted, and what is fetched behind it thrown away; a larger one comes whole all the same.
FETCH_BYTES: Final = 64 * 1024
# A dead letter is announced after it is recorded; between the two lie two clocks.
CLOCK_SKEW: Final = timedelta(minutes=1)
# How far behind the time of recording it is looked for: many letters may have been announced at once.
MOST_SEARCHED: Final = 50_000


class Originals(TopicClient):
    """Finds original messages on topic `orders`, else in the dead-letter topic. Use as an async context manager.

    Raises KafkaError or TimeoutError when the broker is away.
    """

    def __init__(self, settings: KafkaSettings, database: Database) -> None:
        super().__init__(
            settings, auto_offset_reset="none", max_partition_fetch_bytes=FETCH_BYTES, fetch_max_wait_ms=100
        )
        self._settings = settings
        self._database = database
        self._dead_letter_topic = settings.dead_letter_topic

    async def find(self, letter: Letter) -> Original | None:
        """The message that became this letter, None when it is on neither topic any more."""
        return await self._at_origin(letter) or await self._among_dead_letters(letter)

    async def epoch(self, topic: str) -> int | None:
        """The epoch of the topic that is there now; None for one that is not accepted yet."""
        async with TopicIdentity(self._settings, topic) as identity:
            return epoch_of(await known_epochs(self._database, topic), await identity.read())

    async def _at_origin(self, letter: Letter) -> Original | None:
        part = TopicPartition(letter.origin.topic, letter.origin.partition)
        if part not in await self.partitions(letter.origin.topic):
            return None
        if letter.origin.epoch != await self.epoch(letter.origin.topic):
            return None  # the topic was deleted and created again: there is another message at this place
        beginning, end = await self.bounds([part])
        if not beginning[part] <= letter.origin.offset < end[part]:
            return None
        self._seek(part, letter.origin.offset)
        async with asyncio.timeout(READ_SECONDS):
            record = await self._consumer.getone()
        if record.offset != letter.origin.offset or read_claimed_id(record.value, "order_id") != letter.order_id:
            return None
        return Original(letter.origin.topic, record.key, tuple(record.headers), record.value)

    async def _among_dead_letters(self, letter: Letter) -> Original | None:
        since = int((letter.recorded_at - CLOCK_SKEW).timestamp() * 1000)
        for part in await self.partitions(self._dead_letter_topic):
            found = (await self._consumer.offsets_for_times({part: since}))[part]
            if found is None:
                continue
            _, end = await self.bounds([part])
            record = await self._search(part, range(found.offset, end[part])[:MOST_SEARCHED], letter.origin)
            if record is not None:
                return Original(
                    self._dead_letter_topic,
                    original_key(record.headers),
                    original_headers(record.headers),
                    record.value,
                )
        return None

    async def _search(self, part: TopicPartition, offsets: range, origin: Origin) -> ConsumerRecord | None:
        key = dead_letter_key(origin)
        self._seek(part, offsets.start)
        while await self._consumer.position(part) < offsets.stop:
            async with asyncio.timeout(READ_SECONDS):
                polled = await self._consumer.getmany(timeout_ms=1000)
            for record in polled.get(part, ()):
                if record.key == key:
                    return record
        return None

    def _seek(self, part: TopicPartition, offset: int) -> None:
        self._consumer.assign([part])
        self._consumer.seek(part, offset)
