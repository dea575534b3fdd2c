"""Publishing labels on topic `labels`, each acknowledged by the broker."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from order_contract.label import LabelEvent
from order_contract.label_record import encode_label, label_key
from order_platform.kafka.errors import describe
from order_platform.kafka.startup import finish_start
from order_platform.settings import KafkaSettings

_CONNECT_SECONDS: Final = 10.0
_REQUEST_TIMEOUT_MS: Final = 15_000
_STOP_SECONDS: Final = 2.0
_IN_FLIGHT: Final = 1_000


class NotPublishedError(Exception):
    """Labels were not published, or not acknowledged; the text says why."""


async def publish_labels(settings: KafkaSettings, events: Sequence[LabelEvent]) -> AsyncIterator[int]:
    """Publish labels in their order; gives the number that is acknowledged so far. Raises NotPublishedError."""
    producer = AIOKafkaProducer(
        **settings.client_options(), enable_idempotence=True, acks="all", request_timeout_ms=_REQUEST_TIMEOUT_MS
    )
    topic, acknowledged = settings.labels_topic, 0
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            await finish_start(producer.start())
            known = topic in (await producer.client.fetch_all_metadata()).topics()
        if not known:
            raise NotPublishedError(f"topic {topic} does not exist on {settings.kafka}: run `orderwatch migrate`")
        for start in range(0, len(events), _IN_FLIGHT):
            chunk = events[start : start + _IN_FLIGHT]
            sent = [await producer.send(topic, encode_label(each), label_key(each.order_id)) for each in chunk]
            await asyncio.gather(*sent)
            acknowledged += len(chunk)
            yield acknowledged
    except KafkaError as error:
        raise NotPublishedError(f"the broker at {settings.kafka} did not accept labels: {describe(error)}") from error
    except (OSError, TimeoutError) as error:
        raise NotPublishedError(f"the broker at {settings.kafka} does not respond; is it running?") from error
    finally:
        # What is acknowledged was given, and the rest is reported as not acknowledged.
        with suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await producer.stop()
