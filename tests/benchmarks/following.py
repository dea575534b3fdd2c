"""Staleness of other detectors' orders: from a decision's publication to its order counting in another detector."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from decision_engine.pack_mode import PackMode
from tests.benchmarks.stack import Place, Stack
from tests.support.ports import free_port

Progress = Callable[[str], None]
Buckets = dict[float, float]
"""Observations of a histogram up to each bound in seconds."""

METRIC = "orderwatch_detector_followed_seconds"
WARM_UP = 10


@dataclass(frozen=True, slots=True)
class Following:
    """Of two detectors that share the partitions: milliseconds that half and 99 percent of the polls were below.

    Each is the upper bound of the histogram's bucket; of a poll, the oldest order of each partition is measured.
    """

    rate: int
    observations: int
    p50: float
    p99: float


async def measure_following(stack: Stack, rate: int, seconds: int, progress: Progress) -> Following:
    """Two detectors with the marketplace pack in shadow follow each other at a rate of orders a second."""
    progress(f"two detectors that follow each other at {rate:,}/s for {seconds} s")
    async with stack.place() as place:
        ports = free_port(), free_port()
        with (
            _detector(place, ports[0]),
            _detector(place, ports[1]),
            place.process("order_producer", "generate", "--rate", str(rate)),
        ):
            await asyncio.sleep(WARM_UP)
            before = [await _read_until_followed(port) for port in ports]
            await asyncio.sleep(seconds)
            after = [await _read_until_followed(port) for port in ports]
    counts = {
        bound: sum(later[bound] - earlier[bound] for earlier, later in zip(before, after, strict=True))
        for bound in after[0]
    }
    return Following(rate, int(max(counts.values())), 1000 * _quantile(counts, 0.5), 1000 * _quantile(counts, 0.99))


def _detector(place: Place, port: int) -> AbstractContextManager[psutil.Process]:
    return place.process(
        "fraud_detector", "run",
        ORDERWATCH_DETECTOR_PORT=str(port), ORDERWATCH_MARKETPLACE_PACK=PackMode.SHADOW.value,
    )  # fmt: skip


async def _read_until_followed(port: int) -> Buckets:
    """The histogram of a detector, once it has followed anything."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
        while True:
            try:
                buckets = read_buckets((await client.get("/metrics")).text)
            except httpx.TransportError:
                buckets = {}
            if any(buckets.values()):
                return buckets
            await asyncio.sleep(0.2)


def read_buckets(page: str) -> Buckets:
    """The histogram in a page of metrics."""
    return {
        float(sample.labels["le"]): sample.value
        for family in text_string_to_metric_families(page)
        if family.name == METRIC
        for sample in family.samples
        if sample.name.endswith("_bucket")
    }


def _quantile(counts: Buckets, share: float) -> float:
    """The least bound that so many observations are below."""
    total = max(counts.values())
    return min(bound for bound, count in counts.items() if count >= share * total)
