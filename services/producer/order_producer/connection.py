"""Connecting to the broker: as long as it takes, and saying so."""

import asyncio

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError

from order_platform.kafka.topics import MAX_ORDER_BYTES, RECORD_OVERHEAD
from order_platform.settings import KafkaSettings

log = structlog.get_logger()

BATCH_BYTES = 256 * 1024
# aiokafka gives up a message after this when its partition has no leader, the one case in which it does: a broker's
# restart must fit in. It is also how long a request to a broker that fell silent is waited for.
REQUEST_TIMEOUT_MS = 150_000
_ATTEMPT_SECONDS = 10.0
_TOPIC_GRACE_SECONDS = 3.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 2.0
_STOP_SECONDS = 2.0


class TopicMissingError(RuntimeError):
    """The broker is there and the topic is not."""


class BrokerUnavailableError(RuntimeError):
    """The broker did not answer for as long as it was waited for."""


UNTIL_IT_ANSWERS = "until it answers"


async def connect(settings: KafkaSettings, patience: str = UNTIL_IT_ANSWERS) -> AIOKafkaProducer:
    """A producer ready to send to topic orders: idempotent, with sequence numbers of its own.

    Tries until the broker answers; `patience` tells people how long that may take. Raises TopicMissingError when it
    does and knows no such topic.
    """
    pause, told = _FIRST_PAUSE, False
    while True:
        producer = _make(settings)
        try:
            async with asyncio.timeout(_ATTEMPT_SECONDS):
                await producer.start()
                await _find_topic(producer, settings)
        except (KafkaError, OSError, TimeoutError) as error:
            await stop(producer)
            if not told:
                # What the client says of an address where nothing listens is its own internals.
                silent = isinstance(error, KafkaConnectionError | TimeoutError)
                log.warning(
                    "broker_away",
                    kafka=settings.kafka,
                    problem="nothing answers there" if silent else str(error),
                    hint=f"trying {patience}; ORDERWATCH_KAFKA says where it is",
                )
                told = True
        except BaseException:
            await stop(producer)
            raise
        else:
            if told:
                log.info("broker_back", kafka=settings.kafka)
            return producer
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


async def stop(producer: AIOKafkaProducer) -> None:
    """Close a producer, not waiting long for a broker that is away."""
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
