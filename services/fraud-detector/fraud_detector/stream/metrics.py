"""What the detector measures of itself, by Prometheus' names: every metric stands here, with what it tells."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from fraud_detector.stream.batch import Batch, Stored

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 3600.0)
BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)


class LatencyHistogram(Collector):
    """A histogram that takes a whole batch at once: an `observe` an order would cost more than deciding it."""

    def __init__(self, name: str, documentation: str) -> None:
        self._name = name
        self._documentation = documentation
        self._counts = [0] * (len(LATENCY_BUCKETS) + 1)
        self._sum = 0.0

    def observe_all(self, seconds: Iterable[float]) -> None:
        """Count every value."""
        counts = self._counts
        for value in seconds:
            counts[bisect_right(LATENCY_BUCKETS, value)] += 1
            self._sum += value

    def collect(self) -> Iterable[HistogramMetricFamily]:
        total, buckets = 0, []
        for bound, count in zip((*map(str, LATENCY_BUCKETS), "+Inf"), self._counts, strict=True):
            total += count
            buckets.append((bound, float(total)))
        family = HistogramMetricFamily(self._name, self._documentation)
        family.add_metric([], buckets, self._sum)
        return [family]


class Metrics:
    """The detector's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._consumed = Counter(
            "orderwatch_detector_messages_consumed",
            "Messages read from topic orders.",
            ["partition"],
            registry=registry,
        )
        self._outcomes = Counter(
            "orderwatch_detector_messages_recorded",
            "Messages by recorded outcome: stored, duplicate, conflict, dead-letter.",
            ["outcome"], registry=registry,
        )  # fmt: skip
        self._decisions = Counter(
            "orderwatch_detector_decisions", "Stored decisions by outcome.", ["outcome"], registry=registry
        )
        self._hits = Counter(
            "orderwatch_detector_rule_hits", "Rules that fired in stored decisions.", ["rule"], registry=registry
        )
        self._batch = Histogram(
            "orderwatch_detector_batch_messages",
            "Messages in a stored batch.",
            buckets=BATCH_BUCKETS,
            registry=registry,
        )
        self._latency = LatencyHistogram(
            "orderwatch_detector_event_to_decision_seconds",
            "From an order's append by the broker to its decision being stored.",
        )
        registry.register(self._latency)
        self._committed = Gauge(
            "orderwatch_detector_committed_offset", "Offset to go on from.", ["partition"], registry=registry
        )
        self._lag = Gauge(
            "orderwatch_detector_lag_messages", "Messages not finished yet.", ["partition"], registry=registry
        )

    def consumed(self, partition: int, messages: int) -> None:
        """Messages were read and judged."""
        self._consumed.labels(partition).inc(messages)

    def stored(self, batch: Batch, stored: Stored, at: datetime) -> None:
        """A batch was stored `at` this time."""
        self._batch.observe(len(batch))
        for outcome, count in (
            ("stored", len(stored.orders)),
            ("duplicate", stored.duplicates),
            ("conflict", len(stored.conflicts)),
            ("dead-letter", len(batch.dead_letters)),
        ):
            if count:
                self._outcomes.labels(outcome).inc(count)
        decisions: dict[str, int] = {}
        hits: dict[str, int] = {}
        now = at.timestamp()
        for row in stored.orders:
            decisions[row.outcome] = decisions.get(row.outcome, 0) + 1
            for rule in row.rule_ids or ():
                hits[rule] = hits.get(rule, 0) + 1
        self._latency.observe_all(now - row.appended_at.timestamp() for row in stored.orders)
        for outcome, count in decisions.items():
            self._decisions.labels(outcome).inc(count)
        for rule, count in hits.items():
            self._hits.labels(rule).inc(count)

    def committed(self, offsets: Mapping[int, int]) -> None:
        """Offsets were committed."""
        for partition, offset in offsets.items():
            self._committed.labels(partition).set(offset)

    def lag(self, lags: Mapping[int, int]) -> None:
        """How far each of our partitions is behind; partitions that moved away are dropped."""
        self._lag.clear()
        for partition, lag in lags.items():
            self._lag.labels(partition).set(lag)
