"""The histories of a ruleset that is to decide: from a snapshot, or else from Postgres."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol, TypeVar

import structlog

from decision_engine.history.declaration import HistoryFeature
from decision_engine.history.stream_features import StreamFeatures
from fraud_detector.history.snapshots import Snapshots
from fraud_detector.stream.ports import PublishedOrders

log = structlog.get_logger()

MOST_RECORDS: Final = 2_000_000
"""With more records to follow since the snapshot, Postgres is read instead."""

T = TypeVar("T")


class OpenedHistories(NamedTuple):
    """Histories, where on `decisions` the orders begin that they may lack, and whether a snapshot gave them."""

    history: StreamFeatures
    start: Mapping[int, int]
    is_snapshot: bool


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
    labels_are_kept: Callable[[Mapping[int, int]], Awaitable[bool]] | None = None,
) -> OpenedHistories | None:
    """The histories that a detector starts with; None when cancelled before.

    `labels_are_kept` says whether the topic has all labels from some offsets on, where features count labels.
    """
    read = snapshots.read(features, label_epoch) if snapshots else None
    if read is not None:
        history, start = read

        async def find_problem() -> tuple[str | None]:
            if not await _has_few_records(published, start):
                return ("too many decisions were published since, or some are gone",)
            if labels_are_kept is not None and not await labels_are_kept(history.next_label_offsets):
                return ("labels that it lacks are gone from their topic",)
            return (None,)

        found = await retry(find_problem)
        if found is None:
            return None
        if found == (None,):
            return OpenedHistories(history, start, is_snapshot=True)
        log.warning("snapshot_not_used", problem=found[0], consequence="the histories are read from Postgres")
    # The ends first: what is published by then is stored, so it is loaded.
    ends = await retry(published.ends)
    if ends is None:
        return None
    loaded = await retry(load)
    return None if loaded is None else OpenedHistories(loaded, ends, is_snapshot=False)


async def _has_few_records(published: PublishedOrders, positions: Mapping[int, int]) -> bool:
    records = await published.records_since(positions)
    return records is not None and records <= MOST_RECORDS
