"""The histories of a ruleset that is to decide: from a snapshot, or else from Postgres."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

import structlog

from decision_engine.history.declaration import HistoryFeature
from decision_engine.history.stream_features import StreamFeatures
from fraud_detector.history.snapshots import Snapshots
from fraud_detector.stream.ports import PublishedOrders

log = structlog.get_logger()

MOST_RECORDS: Final = 2_000_000
"""With more records to follow since the snapshot, Postgres is read instead."""

T = TypeVar("T")


class Retry(Protocol):
    """Repeats a call while what it needs is unavailable; None when that is cancelled."""

    async def __call__(self, call: Callable[[], Awaitable[T]], /) -> T | None: ...


async def open_histories(
    features: Sequence[HistoryFeature],
    *,
    published: PublishedOrders,
    snapshots: Snapshots | None,
    load: Callable[[], Awaitable[StreamFeatures]],
    retry: Retry,
    label_epoch: int = 1,
) -> tuple[StreamFeatures, Mapping[int, int]] | None:
    """The histories, and where on `decisions` the orders begin that they may lack; None when cancelled before."""
    read = snapshots.read(features, label_epoch) if snapshots else None
    if read is not None:
        is_usable = await retry(lambda: _has_few_records(published, read[1]))
        if is_usable is None:
            return None
        if is_usable:
            return read
        log.warning("snapshot_not_used", problem="too many decisions were published since, or some are gone")
    # The ends first: what is published by then is stored, so it is loaded.
    ends = await retry(published.ends)
    if ends is None:
        return None
    loaded = await retry(load)
    return None if loaded is None else (loaded, ends)


async def _has_few_records(published: PublishedOrders, positions: Mapping[int, int]) -> bool:
    records = await published.records_since(positions)
    return records is not None and records <= MOST_RECORDS
