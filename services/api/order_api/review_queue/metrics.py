"""Metrics of the review queue: what waits for people, by queue."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from order_api.http.problems.problem import Problem
from order_api.review_queue.model import QueueCounts
from order_api.review_queue.service import ReviewQueue

MOST_QUEUES: Final = 100
"""Queues that metrics are shown of: those with the most open reviews."""
_SECONDS: Final = 2.0
_COUNTS: Final = {
    "open_reviews": "Reviews that wait for a verdict",
    "overdue_reviews": "Of these, overdue",
    "claimed_reviews": "Of these, a person is looking at them",
    "escalated_reviews": "Of these, escalated",
}
_OLDEST: Final = "oldest_review_timestamp_seconds"


class ReviewQueueMetrics(Collector):
    """Gauges of the queues, as they were when they were last counted; none while the database is unavailable.

    They are about the whole system: each process of the API shows the same.
    """

    def __init__(self, queue: ReviewQueue) -> None:
        self._queue = queue
        self._counts: Mapping[str, QueueCounts] = {}

    async def refresh(self) -> None:
        """Count again unless the counts are fresh."""
        try:
            async with asyncio.timeout(_SECONDS):
                self._counts = await self._queue.count_queues()
        except (Problem, TimeoutError):
            self._counts = {}

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The metrics for a scrape."""
        shown = sorted(self._counts.items(), key=lambda item: -item[1].open)[:MOST_QUEUES]
        for name, description in _COUNTS.items():
            family = GaugeMetricFamily(f"orderwatch_api_{name}", description, labels=["queue"])
            for queue, counts in shown:
                family.add_metric([queue], getattr(counts, name.removesuffix("_reviews")))
            yield family
        oldest = GaugeMetricFamily(
            f"orderwatch_api_{_OLDEST}", "When the oldest open review was opened; 0 without one", labels=["queue"]
        )
        for queue, counts in shown:
            oldest.add_metric([queue], counts.oldest_opened_at.timestamp() if counts.oldest_opened_at else 0.0)
        yield oldest
