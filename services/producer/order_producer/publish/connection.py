"""Connection to the broker, retried until it succeeds."""

import asyncio

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError

from order_platform.kafka.startup import finish_start
from order_platform.kafka.topics import MAX_ORDER_BYTES, RECORD_OVERHEAD
from order_platform.outage_log import OutageLog
from order_platform.settings import KafkaSettings

log = structlog.get_logger()

BATCH_BYTES = 256 * 1024
# The timeout of a request, and of a message whose partition has no leader: longer than a broker's restart.
REQUEST_TIMEOUT_MS = 150_000
_ATTEMPT_SECONDS = 10.0
_TOPIC_GRACE_SECONDS = 3.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 2.0
_STOP_SECONDS = 2.0


class TopicMissingError(RuntimeError):
    """The broker responds, but the topic does not exist."""


class BrokerUnavailableError(RuntimeError):
    """The broker did not respond within the time limit."""


UNTIL_RECOVERED = "until it answers"


async def connect(settings: KafkaSettings, retry_hint: str = UNTIL_RECOVERED) -> AIOKafkaProducer:
    """A producer ready to send to topic orders: idempotent.

    Tries until the broker responds; log messages say `retry_hint`. Raises TopicMissingError if the topic does not
    exist.
    """
    pause, outage = _FIRST_PAUSE, OutageLog("broker")
    while True:
        producer = _make(settings)
        try:
            async with asyncio.timeout(_ATTEMPT_SECONDS):
                await finish_start(producer.start())
                await _find_topic(producer, settings)
        except (KafkaError, OSError, TimeoutError) as error:
            await stop(producer)
            # The client's text about an address where nothing listens is about its internals.
            silent = isinstance(error, KafkaConnectionError | TimeoutError)
            outage.failed(
                "nothing answers there" if silent else error,
                kafka=settings.kafka,
                hint=f"trying {retry_hint}; ORDERWATCH_KAFKA says where it is",
            )
        except BaseException:
            await stop(producer)
            raise
        else:
            outage.succeeded(kafka=settings.kafka)
            return producer
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


async def stop(producer: AIOKafkaProducer) -> None:
    """Close a producer, with a short timeout for a broker that is unavailable."""
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await producer.stop()
    except (KafkaError, OSError, TimeoutError) as error:
        log.debug("producer_not_stopped", problem=repr(error))


def _make(settings: KafkaSettings) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        **settings.client_options(),
        enable_idempotence=True,
        acks="all",
        compression_type="lz4",
        max_batch_size=BATCH_BYTES,
        max_request_size=MAX_ORDER_BYTES + RECORD_OVERHEAD,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )


async def _find_topic(producer: AIOKafkaProducer, settings: KafkaSettings) -> None:
    """Wait a little for a topic that is being created; a send would wait for minutes."""
    topic = settings.orders_topic
    until = asyncio.get_running_loop().time() + _TOPIC_GRACE_SECONDS
    while topic not in (await producer.client.fetch_all_metadata()).topics():
        if asyncio.get_running_loop().time() > until:
            raise TopicMissingError(
                f"topic {topic} does not exist on {settings.kafka}: run `orderwatch migrate` to create the topics, "
                "or name another one with ORDERWATCH_ORDERS_TOPIC"
            )
        await asyncio.sleep(0.2)
    await producer.partitions_for(topic)
