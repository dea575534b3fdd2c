"""The topics: their specifications, and their creation."""

import asyncio
from dataclasses import dataclass, field

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from order_platform.kafka.startup import start_in_time
from order_platform.settings import KafkaSettings

MAX_ORDER_BYTES = 8 * 1024 * 1024
MAX_DEAD_LETTER_BYTES = 16 * 1024 * 1024
# The most that a record adds to its value: key, headers with an error message, batch header.
RECORD_OVERHEAD = 64 * 1024
PARTITIONS = 4
DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it is created; an existing one is left as its operator made it."""

    name: str
    partitions: int
    configs: dict[str, str] = field(default_factory=dict)


def topic_specs(settings: KafkaSettings, partitions: int = PARTITIONS) -> tuple[TopicSpec, ...]:
    """orders (keyed by user_id), decisions (by order_id, in their order's partition), dead letters (by origin), labels.

    Labels are keyed by order_id.
    """
    return (
        TopicSpec(
            settings.orders_topic,
            partitions,
            {
                "max.message.bytes": str(MAX_ORDER_BYTES + RECORD_OVERHEAD),
                "retention.ms": str(7 * DAY_MS),
                # The broker's clock, so that lag and latency do not depend on the producers' clocks.
                "message.timestamp.type": "LogAppendTime",
            },
        ),
        TopicSpec(settings.decisions_topic, partitions, {"retention.ms": str(7 * DAY_MS)}),
        TopicSpec(
            settings.dead_letter_topic,
            1,
            {"max.message.bytes": str(MAX_DEAD_LETTER_BYTES), "retention.ms": str(30 * DAY_MS)},
        ),
        # Few, and no other topic has what they say: they are kept without limit.
        TopicSpec(settings.labels_topic, partitions, {"retention.ms": "-1", "message.timestamp.type": "LogAppendTime"}),
    )


async def ensure_topics(settings: KafkaSettings, partitions: int | None = None) -> tuple[str, ...]:
    """Create what is missing and return its names; safe to repeat and to run in several places at once.

    Without `partitions`, the others get as many as topic orders has. The broker's default replication factor holds.
    """
    admin = AIOKafkaAdminClient(**settings.client_options())
    try:
        await start_in_time(admin.start())
        present = set(await admin.list_topics())
        if partitions is None:
            partitions = (
                await _count_partitions(admin, settings.orders_topic) if settings.orders_topic in present else 0
            )
        missing = [spec for spec in topic_specs(settings, partitions or PARTITIONS) if spec.name not in present]
        if not missing:
            return ()
        response = await admin.create_topics(
            [
                # Given (empty) assignments, the client lets -1 through: the broker's own replication factor.
                NewTopic(spec.name, spec.partitions, -1, replica_assignments={}, topic_configs=spec.configs)
                for spec in missing
            ]
        )
        for name, code, *rest in response.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise error(f"topic {name} could not be created: {rest[0] if rest else ''}")
        # Creation returns before every broker knows the topic; producers would wait for it anyway.
        while not {spec.name for spec in missing} <= set(await admin.list_topics()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        return tuple(spec.name for spec in missing)
    finally:
        await admin.close()


async def _count_partitions(admin: AIOKafkaAdminClient, topic: str) -> int:
    """The number of a topic's partitions; 0 when the broker does not say."""
    return sum(len(each["partitions"]) for each in await admin.describe_topics([topic]))
