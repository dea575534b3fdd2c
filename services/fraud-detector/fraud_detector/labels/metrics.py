"""Metrics of labels: how many are stored, and how far storing them is behind."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from decision_engine.history.labelled_orders import LabelledOrders
from fraud_detector.labels.batch import LabelBatch
from order_contract.label import Label


class LabelMetrics:
    """The detector's metrics of labels, in its registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._stored = Counter(
            "orderwatch_detector_labels_stored", "Labels that this detector stored.", ["label"], registry=registry
        )
        self._rejected = Counter(
            "orderwatch_detector_labels_rejected",
            "Messages of topic labels that are bad data, and became dead letters.",
            registry=registry,
        )
        self._lag = Gauge(
            "orderwatch_detector_labels_lag_messages",
            "Messages of topic labels that are not stored yet, by assigned partition.",
            ["partition"],
            registry=registry,
        )
        self._followed = Counter(
            "orderwatch_detector_labels_followed",
            "Messages of topic labels that the history features of this detector have read.",
            registry=registry,
        )
        self._labelled = Gauge(
            "orderwatch_detector_labels_counting",
            "Labels in memory whose order counts in history features; they are within ORDERWATCH_HISTORY_MEMORY.",
            registry=registry,
        )
        self._pending = Gauge(
            "orderwatch_detector_labels_pending",
            "Labels in memory that wait for their order, which is not decided yet or does not exist.",
            registry=registry,
        )
        self._dropped = Gauge(
            "orderwatch_detector_labels_dropped",
            "Labels since the start that waited for their order when too many did, and were dropped.",
            registry=registry,
        )
        for label in Label:
            self._stored.labels(label)

    def stored(self, batch: LabelBatch) -> None:
        """A batch was stored, and its dead letters published."""
        for each in batch.labels:
            self._stored.labels(each.event.label).inc()
        self._rejected.inc(len(batch.dead_letters))

    def lag(self, lags: Mapping[int, int]) -> None:
        """Messages that each assigned partition is behind; partitions that are assigned no more are dropped."""
        self._lag.clear()
        for partition, lag in lags.items():
            self._lag.labels(partition).set(lag)

    def followed(self, messages: int, labels: LabelledOrders) -> None:
        """History features have read so many more messages; these labels count, or wait for their order."""
        self._followed.inc(messages)
        self._labelled.set(labels.labelled)
        self._pending.set(labels.pending)
        self._dropped.set(labels.dropped)
