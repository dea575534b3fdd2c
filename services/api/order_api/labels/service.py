"""Labels over the API: published on topic labels, in bounded time, and read from where detectors store them."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from fastapi import Depends

from order_api.http.problems.availability import BrokerUnavailable
from order_api.kit.database import Database
from order_api.kit.registry import Provider
from order_api.kit.timeouts import ProgressTimeout, describe_kafka_failure
from order_api.labels.filters import NewLabel
from order_api.labels.repository import list_labels
from order_contract.label import LabelEvent
from order_contract.label_record import encode_label, label_key
from order_platform.kafka.producer import start_producer
from order_platform.settings import KafkaSettings

BROKER_SECONDS: Final = 4.0
_REQUEST_TIMEOUT_MS: Final = 3_000


class LabelService:
    """Publishes labels with a producer that is connected at the first one, and again after a failure."""

    def __init__(self, settings: KafkaSettings, database: Database, seconds: float = BROKER_SECONDS) -> None:
        self._settings = settings
        self._database = database
        self._timeout = ProgressTimeout(seconds)
        self._producer: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()

    async def publish(self, author: str, order_id: str, wanted: NewLabel) -> dict[str, object]:
        """Publish a label of a person or program; returns it with its place on the topic. Raises BrokerUnavailable."""
        event = LabelEvent(
            order_id, wanted.label, wanted.source, author, datetime.now(UTC), wanted.note or None, wanted.reason
        )
        try:
            partition, offset = await self._timeout.run(self._send(event))
        except (KafkaError, TimeoutError) as error:
            self._disconnect()
            raise BrokerUnavailable(
                f"the request to Kafka {describe_kafka_failure(error)}: the label may be published or not. Repeat it: "
                "the same label twice says the same"
            ) from error
        origin = {"topic": self._settings.labels_topic, "partition": partition, "offset": offset}
        return {**event._asdict(), "origin": origin}

    async def history(self, order_id: str) -> dict[str, object]:
        """The labels of an order that are stored, newest first."""
        items = [
            {
                "order_id": row["order_id"],
                "label": row["label"],
                "source": row["source"],
                "author": row["author"],
                "at": row["labelled_at"],
                "note": row["note"],
                "reason": row["reason"],
                "origin": {"topic": row["topic"], "partition": row["partition"], "offset": row["offset"]},
                "recorded_at": row["recorded_at"],
            }
            for row in await list_labels(self._database, order_id)
        ]
        return {"current": items[0]["label"] if items else None, "items": items}

    async def close(self) -> None:
        """Disconnect."""
        self._disconnect()
        await self._timeout.close()

    async def _send(self, event: LabelEvent) -> tuple[int, int]:
        producer = await self._connect()
        topic = self._settings.labels_topic
        sent = await producer.send_and_wait(topic, encode_label(event), label_key(event.order_id))
        return sent.partition, sent.offset

    async def _connect(self) -> AIOKafkaProducer:
        async with self._connecting:
            if self._producer is None:
                self._producer = await start_producer(self._settings, request_timeout_ms=_REQUEST_TIMEOUT_MS)
            return self._producer

    def _disconnect(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            self._timeout.in_background(producer.stop())


Labels = Annotated[LabelService, Depends(Provider(LabelService))]
