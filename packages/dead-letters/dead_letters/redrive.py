"""Redriving dead letters: publishing the original or a corrected body, recorded before and after.

The intent is recorded first, then the message is published, then its new origin is recorded. If the process or the
broker fails in between, the redrive is on record with state `unconfirmed`, and redriving again is a further recorded
attempt. It does no harm: an order that is stored already makes the second one a duplicate, and a label that is
repeated says the same.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Final, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from dead_letters import repository
from dead_letters.model import SETTLED, DeadLetter, OriginalMessage
from dead_letters.original_message import OriginalMessageReader
from order_contract.dead_letter_record import redrive_headers
from order_contract.decoding.decoder import EventDecoder
from order_contract.error_types import ErrorType
from order_contract.event import read_claimed_id
from order_contract.label_record import decode_label, latest_verdict
from order_contract.origin import Origin
from order_contract.outcomes import MessageOutcome
from order_platform.kafka.startup import finish_start
from order_platform.kafka.topics import MAX_ORDER_BYTES, RECORD_OVERHEAD
from order_platform.postgres.sql_builder import QueryExecutor
from order_platform.settings import KafkaSettings

REQUEST_TIMEOUT_MS: Final = 15_000
STOP_SECONDS: Final = 5.0


class RedriveError(Exception):
    """A dead letter was not redriven; the text gives the reason and what to do."""


class AlreadyRedrivenError(RedriveError):
    """It was redriven already: its redrive is published, stored or a duplicate."""


class ConflictNotRedrivenError(RedriveError):
    """It is a conflict, and would be one again."""


class RetiredDateNotRedrivenError(RedriveError):
    """It is an order of a retired date, and would be rejected again."""


class OriginalMissingError(RedriveError):
    """No topic keeps its original message any more."""


class TopicNotAcceptedError(RedriveError):
    """The topic was created again and is not accepted, so no detector reads it."""


class UnconfirmedError(RedriveError):
    """The broker did not acknowledge it: it may have been published or not."""


class Redriver:
    """Redrives dead letters, one at a time. Use as an async context manager; it raises KafkaError without a broker."""

    def __init__(self, settings: KafkaSettings, database: QueryExecutor, redriven_by: str) -> None:
        self._settings = settings
        self._database = database
        self._redriven_by = redriven_by
        self._originals = OriginalMessageReader(settings, database)
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
            # A producer that failed to start has to be stopped, too, or it complains when it is collected.
            stack.push_async_callback(self._stop_producer)
            await stack.enter_async_context(self._originals)
            await finish_start(self._producer.start())
            self._clients = stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._clients.aclose()

    async def redrive(self, dead_letter: DeadLetter, correction: bytes | None = None, *, again: bool = False) -> Origin:
        """Publish the original message, or `correction` in its place, and return its new origin.

        It goes to the topic that it came from; for `correction` see `check_correction`. `again` redrives also what was
        redriven already, and conflicts. Raises RedriveError; KafkaError or TimeoutError when the broker is unavailable.
        """
        if not again:
            _require_again(dead_letter)
        original = await self._originals.find(dead_letter)
        topic = _choose_topic(dead_letter.origin, self._settings)
        if original is None:
            if correction is None:
                raise OriginalMissingError(
                    f"{dead_letter.origin}: the original is on no topic any more; redrive it with a corrected body"
                )
            original = OriginalMessage(topic, None, (), None)
        value = original.value if correction is None else correction
        epoch = await self._originals.topic_epoch(topic)
        if epoch is None:
            raise TopicNotAcceptedError(
                f"{dead_letter.origin}: topic {topic} was deleted and created again, and no detector reads it; "
                f"run `fraud-detector accept-topic` first"
            )
        attempt = dead_letter.redrives + 1
        begun = await repository.begin_redrive(
            self._database,
            dead_letter.origin,
            attempt,
            redriven_by=self._redriven_by,
            corrected=correction is not None,
            order_id=read_claimed_id(value, "order_id"),
        )
        if not begun:
            raise AlreadyRedrivenError(f"{dead_letter.origin}: another process is redriving it now")
        published_as = await self._publish(dead_letter.origin, attempt, original, value, epoch)
        await repository.complete_redrive(self._database, dead_letter.origin, attempt, published_as)
        return published_as

    async def redrive_each(
        self, dead_letters: Iterable[DeadLetter], correction: bytes | None = None, *, again: bool = False
    ) -> AsyncIterator[tuple[DeadLetter, Origin | RedriveError]]:
        """Redrive dead letters one after the other; gives each with its new origin, or the reason why it was not."""
        for dead_letter in dead_letters:
            try:
                result: Origin | RedriveError = await self.redrive(dead_letter, correction, again=again)
            except RedriveError as error:
                result = error
            yield dead_letter, result

    async def _stop_producer(self) -> None:
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._producer.stop()
        except (KafkaError, TimeoutError):
            pass  # acknowledged redrives are recorded, and the others are unconfirmed

    async def _publish(
        self, origin: Origin, attempt: int, original: OriginalMessage, value: bytes | None, epoch: int
    ) -> Origin:
        topic = _choose_topic(origin, self._settings)
        key = _choose_key(original, value, "order_id" if is_label(origin, self._settings) else "user_id")
        headers = redrive_headers(original.headers, origin, attempt)
        # The same key goes to the same partition, whichever partitioner chose it: a user's orders stay together.
        same_topic = (origin.topic, origin.epoch) == (topic, epoch)
        partition = origin.partition if key == original.key and same_topic else None
        try:
            metadata = await self._producer.send_and_wait(topic, value, key, partition, headers=headers)
        except KafkaError as error:
            raise UnconfirmedError(
                f"{origin}: the broker did not acknowledge it ({error!r}), so it may be published or not; "
                f"redriving it again is safe"
            ) from error
        return Origin(topic, metadata.partition, metadata.offset, epoch)


def is_label(origin: Origin, settings: KafkaSettings) -> bool:
    """Whether a message is a label, rather than an order event."""
    return origin.topic == settings.labels_topic


def check_correction(value: bytes, origin: Origin, settings: KafkaSettings, decoder: EventDecoder) -> None:
    """Raise BadEvent, which names field and value, when a corrected body, published now, would be rejected, too.

    `origin` is that of the message that it corrects: an order event or a label.
    """
    now = datetime.now(UTC)
    if is_label(origin, settings):
        decode_label(value, latest_verdict(now))
    else:
        decoder.decode(value, now)


def _choose_topic(origin: Origin, settings: KafkaSettings) -> str:
    return settings.labels_topic if is_label(origin, settings) else settings.orders_topic


def _require_again(dead_letter: DeadLetter) -> None:
    if dead_letter.state in SETTLED:
        raise AlreadyRedrivenError(f"{dead_letter.origin} was redriven already, and is {dead_letter.state} now")
    if dead_letter.error_type == ErrorType.RETIRED_DATE:
        raise RetiredDateNotRedrivenError(
            f"{dead_letter.origin} is of a retired date: {dead_letter.error}. Redriven as it is, it will be rejected "
            "again; a body with a later created_date can be redriven"
        )
    if dead_letter.kind is MessageOutcome.CONFLICT:
        raise ConflictNotRedrivenError(
            f"{dead_letter.origin} is a conflict: {dead_letter.error}. Redriven as it is, it will be a conflict again"
        )


def _choose_key(original: OriginalMessage, value: bytes | None, field: str) -> bytes | None:
    """The original key, unless the correction changes the id in `field`, by which the messages of a topic are keyed."""
    keyed_by = read_claimed_id(value, field)
    if value is original.value or keyed_by is None or read_claimed_id(original.value, field) == keyed_by:
        return original.key
    return keyed_by.encode()
