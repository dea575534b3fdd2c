"""Metrics of labels: how many are stored, and how far storing them is behind."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

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
