"""What a detector does with labels: it stores them, and follows them where features count labels."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from decision_engine.history.stream_features import StreamFeatures
from fraud_detector.labels.follower import LabelFollower
from fraud_detector.labels.kafka_published_labels import KafkaPublishedLabels, labels_are_kept
from fraud_detector.labels.metrics import LabelMetrics
from fraud_detector.labels.postgres_orders import LabelSource, OrderSource, PostgresOrders
from fraud_detector.labels.postgres_store import PostgresLabelStore
from fraud_detector.labels.recorder import LabelRecorder
from fraud_detector.settings import DetectorSettings
from fraud_detector.stream.batch import Batch
from fraud_detector.stream.health import HealthState
from fraud_detector.stream.kafka_consumer import KafkaOrderConsumer
from fraud_detector.stream.kafka_publisher import KafkaPublisher


def _now() -> datetime:
    return datetime.now(UTC)


class LabelTasks:
    """Builds the parts for labels on Kafka and Postgres. `run` stores labels, `follower` follows them for histories."""

    def __init__(self, settings: DetectorSettings, metrics: LabelMetrics, health: HealthState) -> None:
        self._settings = settings
        self._metrics = metrics
        self._health = health
        self._consumer = KafkaOrderConsumer(
            settings,
            settings.labels,
            accept_lost_offsets=settings.accept_lost_offsets,
            members=settings.snapshots,
        )
        self._publisher = KafkaPublisher(settings)
        self._recorder = LabelRecorder(
            self._consumer,
            PostgresLabelStore(settings.database_url.get_secret_value(), settings.labels),
            self._publisher,
            now=_now,
            metrics=metrics,
            health=health,
        )
        self._source: LabelSource | None = None
        self._binding = asyncio.Lock()
        self.in_flight: Callable[[], Iterable[Batch]] = tuple
        """The batches that are decided and not known to be stored; set when there is something that decides."""

    async def bind(self, is_stopped: Callable[[], bool]) -> LabelSource | None:
        """The topic that is read, and its epoch; None when the detector is stopped before that is known."""
        async with self._binding:
            if self._source is None:
                epoch = await self._recorder.bind(is_stopped)
                if epoch is not None:
                    self._source = LabelSource(self._settings.labels_topic, epoch)
            return self._source

    async def are_kept(self, next_offsets: Mapping[int, int]) -> bool:
        """Whether topic labels has all labels from these offsets on. Raises DependencyUnavailableError."""
        return await labels_are_kept(self._settings, next_offsets)

    def follower(
        self, history: StreamFeatures, orders: OrderSource, source: LabelSource, *, may_lack_stored: bool = False
    ) -> LabelFollower:
        """What follows labels for some histories.

        Those of a snapshot `may_lack_stored` labels, should some be deleted from the topic now: these are not lost.
        """
        return LabelFollower(
            KafkaPublishedLabels(
                self._settings,
                history.next_label_offsets,
                accept_lost_offsets=self._settings.accept_lost_offsets and not may_lack_stored,
            ),
            PostgresOrders(self._settings.database_url.get_secret_value(), orders),
            history,
            self._batches_in_flight,
            epoch=orders.epoch,
            label_epoch=source.epoch,
            now=_now,
            metrics=self._metrics,
            health=self._health,
        )

    def _batches_in_flight(self) -> Iterable[Batch]:
        return self.in_flight()

    async def run(self, stop: asyncio.Event) -> None:
        """Store labels until the detector is stopped."""
        source = await self.bind(stop.is_set)
        if source is not None:
            await self._recorder.run(source.epoch, stop)

    async def close(self) -> None:
        """Leave the group and disconnect."""
        await self._consumer.close()
        await self._publisher.close()
