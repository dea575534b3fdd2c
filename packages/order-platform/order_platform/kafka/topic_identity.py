"""Reading the id of a topic, which the broker assigns when the topic is created (KIP-516).

A topic that is deleted and created again has the same name and another id, whatever its offsets are. aiokafka asks for
metadata in a version that has no ids, so the one request that has them is defined here.
"""

from io import BytesIO
from typing import Any, Final, Self
from uuid import UUID

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError, NodeNotReadyError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from order_platform.kafka.startup import finish_start
from order_platform.settings import KafkaSettings

_NO_ID: Final = UUID(int=0)


class _Uuid(AbstractType):  # type: ignore[misc]  # aiokafka is untyped
    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


_TOPICS: Final = CompactArray(("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields))
_PARTITIONS: Final = CompactArray(
    ("error_code", Int16),
    ("partition", Int32),
    ("leader", Int32),
    ("leader_epoch", Int32),
    ("replicas", CompactArray(Int32)),
    ("isr", CompactArray(Int32)),
    ("offline_replicas", CompactArray(Int32)),
    ("tags", TaggedFields),
)


class _MetadataResponse(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                ("partitions", _PARTITIONS),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _MetadataRequestStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 12
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        ("topics", _TOPICS),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _MetadataRequest(Request[_MetadataRequestStruct]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def build(self, request_struct_class: type[_MetadataRequestStruct]) -> _MetadataRequestStruct:
        return request_struct_class([(_NO_ID, self._topic, {})], False, False, {})


class TopicIdentity:
    """Asks for the id of one topic, over its own connection. Use as an async context manager, or start and stop."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self._client = AIOKafkaClient(**settings.client_options())
        self._request = _MetadataRequest(topic)
        self._connected = False

    async def start(self) -> None:
        """Connect, unless that is done. Raises KafkaError when no broker can be reached."""
        if not self._connected:
            await finish_start(self._client.bootstrap())
            self._connected = True

    async def stop(self) -> None:
        """Disconnect."""
        await self._client.close()

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def read(self) -> UUID | None:
        """The topic's id now; None from a broker that gives none (Kafka before 2.8, Redpanda before 25.3).

        Raises UnknownTopicOrPartitionError when there is no such topic, KafkaError when the broker is unavailable.
        """
        node = self._client.get_random_node()
        if node is None:
            raise NodeNotReadyError("no broker is known")
        try:
            response: Any = await self._client.send(node, self._request)
        except (NotImplementedError, IncompatibleBrokerVersion):
            return None
        ((error_code, _, topic_id, *_),) = response.topics
        if error_code:
            error: type[KafkaError] = for_code(error_code)
            raise error
        return None if topic_id == _NO_ID else topic_id
