"""The histories of a detector that starts: from a snapshot, or else from Postgres."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar

import structlog

from decision_engine.history.declaration import HistoryFeature
from decision_engine.history.stream_features import StreamFeatures
from fraud_detector.history.loader import load_history
from fraud_detector.history.snapshots import Snapshots
from fraud_detector.stream.health import Check, HealthState, retry_while_unavailable
from fraud_detector.stream.ports import PublishedOrders

log = structlog.get_logger()

LOADING_SECONDS: Final = 60.0
MOST_RECORDS: Final = 2_000_000
"""With more records to follow since the snapshot, Postgres is read instead."""

T = TypeVar("T")


async def start_histories(
    features: Sequence[HistoryFeature],
    *,
    published: PublishedOrders,
    snapshots: Snapshots | None,
    database_url: str,
    topic: str,
    epoch: int,
    health: HealthState,
    is_stopped: Callable[[], bool],
) -> tuple[StreamFeatures, Mapping[int, int]] | None:
    """The histories, and where on `decisions` the orders begin that they may lack; None when stopped before."""

    async def retry(call: Callable[[], Awaitable[T]], check: Check, slow_after: float = LOADING_SECONDS) -> T | None:
        return await retry_while_unavailable(
            call, check=check, health=health, is_cancelled=is_stopped, slow_after=slow_after
        )

    read = snapshots.read(features) if snapshots else None
    if read is not None:
        records = await retry(partial(_count_records, published, read[1]), Check.FOLLOWING)
        if records is None:
            return None
        if records <= MOST_RECORDS:
            return read
        log.warning("snapshot_not_used", problem="too many decisions were published since, or some are gone")
    # The ends first: what is published by then is stored, so it is loaded.
    ends = await retry(published.ends, Check.FOLLOWING)
    if ends is None:
        return None
    load = partial(load_history, database_url, features, topic=topic, epoch=epoch, heartbeat=health.heartbeat)
    loaded = await retry(load, Check.STORING)
    return None if loaded is None else (loaded, ends)


async def _count_records(published: PublishedOrders, positions: Mapping[int, int]) -> float:
    records = await published.records_since(positions)
    return float("inf") if records is None else records
