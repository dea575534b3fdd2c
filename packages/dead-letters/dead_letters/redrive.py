"""Publishing dead letters again: the original or a corrected body, recorded before and after.

The intent is recorded first, then the message is published, then the place where it stands is recorded. Whatever dies
in between, a redrive that may have happened is on record (state `unconfirmed`), and doing it again is a further attempt
that everybody sees. It can do no harm: an order that is there already makes the second one a duplicate.
"""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Final, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from dead_letters import repository
from dead_letters.model import SETTLED, Letter, Original
from dead_letters.original_message import Originals
from dead_letters.repository import Database
from order_contract.dead_letter_record import redrive_headers
from order_contract.decoding.decoder import EventDecoder
from order_contract.event import read_claimed_id
from order_contract.origin import Origin
from order_contract.outcomes import MessageOutcome
from order_platform.kafka.topics import MAX_ORDER_BYTES, RECORD_OVERHEAD
from order_platform.settings import KafkaSettings

REQUEST_TIMEOUT_MS: Final = 15_000
STOP_SECONDS: Final = 5.0


class RedriveError(Exception):
    """A dead letter that was not redriven; the text says why and what to do."""


class AlreadyRedrivenError(RedriveError):
    """It is on its way, or went well."""


class ConflictStandsError(RedriveError):
    """It is a conflict, and would be one again."""


class OriginalGoneError(RedriveError):
    """Its bytes are on no topic any more."""


class TopicNotAcceptedError(RedriveError):
    """The topic is another one than the detectors read."""


class UnconfirmedError(RedriveError):
    """The broker gave no answer: it may have been published or not."""


class Redriver:
    """Redrives dead letters, one at a time. Use as an async context manager; without a broker it raises KafkaError."""

    def __init__(self, settings: KafkaSettings, database: Database, redriven_by: str) -> None:
        self._topic = settings.orders_topic
        self._database = database
        self._redriven_by = redriven_by
        self._originals = Originals(settings, database)
        self._producer = AIOKafkaProducer(
            **settings.client_options(),
            enable_idempotence=True,
            acks="all",
            max_request_size=MAX_ORDER_BYTES + RECORD_OVERHEAD,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
        self._clients = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            # Also what did not start has to be stopped, or it complains about it when it is collected.
            stack.push_async_callback(self._stop_producer)
            await stack.enter_async_context(self._originals)
            await self._producer.start()
            self._clients = stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._clients.aclose()

    async def redrive(self, letter: Letter, correction: bytes | None = None, *, again: bool = False) -> Origin:
        """Publish a letter's original, or `correction` in its place, and return where it stands now.

        `correction` is an order event: see `check_correction`. `again` redrives what is on its way, went well or is a
        conflict. Raises RedriveError; KafkaError or TimeoutError when the broker is away.
        """
        if not again:
            _refuse_what_can_hardly_be_meant(letter)
        original = await self._originals.find(letter)
        if original is None:
            if correction is None:
                raise OriginalGoneError(
                    f"{letter.origin}: the original is on no topic any more; redrive it with a corrected body"
                )
            original = Original(self._topic, None, (), None)
        value = original.value if correction is None else correction
        epoch = await self._originals.epoch(self._topic)
        if epoch is None:
            raise TopicNotAcceptedError(
                f"{letter.origin}: topic {self._topic} was deleted and created again, and no detector reads it; run "
                f"`fraud-detector accept-topic` first"
            )
        attempt = letter.redrives + 1
        begun = await repository.begin_redrive(
            self._database,
            letter.origin,
            attempt,
            redriven_by=self._redriven_by,
            corrected=correction is not None,
            order_id=read_claimed_id(value, "order_id"),
        )
        if not begun:
            raise AlreadyRedrivenError(f"{letter.origin}: somebody else is redriving it at this moment")
        published_as = await self._publish(letter.origin, attempt, original, value, epoch)
        await repository.complete_redrive(self._database, letter.origin, attempt, published_as)
        return published_as

    async def _stop_producer(self) -> None:
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._producer.stop()
        except (KafkaError, TimeoutError):
            pass  # what was acknowledged is on record, and what was not is unconfirmed

    async def _publish(
        self, origin: Origin, attempt: int, original: Original, value: bytes | None, epoch: int
    ) -> Origin:
        key = _key(original, value)
        headers = redrive_headers(original.headers, origin, attempt)
        # Under the same key into the same partition, whichever partitioner chose it: a user's orders stay together.
        same_topic = (origin.topic, origin.epoch) == (self._topic, epoch)
        partition = origin.partition if key == original.key and same_topic else None
        try:
            metadata = await self._producer.send_and_wait(self._topic, value, key, partition, headers=headers)
        except KafkaError as error:
            raise UnconfirmedError(
                f"{origin}: the broker did not acknowledge it ({error!r}), so it may be published or not; "
                f"redriving it again is safe"
            ) from error
        return Origin(self._topic, metadata.partition, metadata.offset, epoch)


def check_correction(value: bytes, decoder: EventDecoder) -> None:
    """Raises BadEvent, which names field and value, when a corrected body, published now, is refused too."""
    decoder.decode(value, datetime.now(UTC))


def _refuse_what_can_hardly_be_meant(letter: Letter) -> None:
    if letter.state in SETTLED:
        raise AlreadyRedrivenError(f"{letter.origin} was redriven already, and is {letter.state} now")
    if letter.kind is MessageOutcome.CONFLICT:
        raise ConflictStandsError(
            f"{letter.origin} is a conflict: {letter.error}. Redriven as it is, it will be a conflict again"
        )


def _key(original: Original, value: bytes | None) -> bytes | None:
    """The original key, unless the body was corrected to be another user's: orders are keyed by their user."""
    user_id = read_claimed_id(value, "user_id")
    if value is original.value or user_id is None or read_claimed_id(original.value, "user_id") == user_id:
        return original.key
    return user_id.encode()
