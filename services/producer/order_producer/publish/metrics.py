"""Metrics of the producer."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from order_producer.publish.sink import Counts

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


class ProducerMetrics:
    """The producer's metrics, in their own registry."""

    def __init__(self, counts: Counts) -> None:
        self.registry = registry = CollectorRegistry()
        self.published = Counter(
            "orderwatch_producer_orders_published", "Messages acknowledged by the broker.", registry=registry
        )
        self.failed = Counter(
            "orderwatch_producer_orders_failed", "Messages that failed, each named in the log.", registry=registry
        )
        self.acknowledge = Histogram(
            "orderwatch_producer_acknowledge_seconds",
            "From handing over the oldest message of a batch to the broker's acknowledgement.",
            buckets=_BUCKETS,
            registry=registry,
        )
        in_flight = Gauge(
            "orderwatch_producer_orders_in_flight", "Messages handed over, not acknowledged yet.", registry=registry
        )
        in_flight.set_function(lambda: counts.waiting)
