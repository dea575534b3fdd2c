"""Metrics of the API."""

import asyncio
from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.registry import Collector

# From a cached answer to the longest `wait`; 25 ms is what publish to REST may take.
LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class ApiMetrics:
    """The API's metrics on a registry of its own; labels come from closed sets, never from what a client sends."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._refreshes: list[Callable[[], Awaitable[None]]] = []
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "orderwatch_api_requests",
            "Requests answered, by route template and status",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.latency = Histogram(
            "orderwatch_api_request_seconds",
            "Seconds from a request's arrival to its response; waiting with ?wait= included",
            ("route",),
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )

    def add_collector(self, collector: Collector, refresh: Callable[[], Awaitable[None]]) -> None:
        """Show what a collector has, after `refresh`, which each scrape awaits."""
        self.registry.register(collector)
        self._refreshes.append(refresh)

    async def render(self) -> bytes:
        """All metrics in the format that Prometheus scrapes."""
        await asyncio.gather(*(refresh() for refresh in self._refreshes))
        return generate_latest(self.registry)

    def watch(self, name: str, description: str, read: Callable[[], float]) -> None:
        """A gauge `orderwatch_api_{name}` that is read when it is scraped."""
        Gauge(f"orderwatch_api_{name}", description, registry=self.registry).set_function(read)
