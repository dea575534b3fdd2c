"""State of history features: a fold over orders that gives every feature's value for the next one.

The values are those of the contract: aggregates over the orders that were added, with the same key and an event time in
(t - window, t]. Orders may be added in any order; each counts at its own time.
"""

from bisect import bisect_left
from collections.abc import Generator, Iterable, Mapping, MutableMapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO, Final

from decision_engine.history.compiler import (
    LABELLED_PART,
    ORDERS_PART,
    AddOrder,
    ReadFeatures,
    SeriesFunctions,
    share_parts,
)
from decision_engine.history.declaration import OPTIONAL_FIELDS, Aggregate, HistoryFeature
from decision_engine.history.series import NO_HORIZON, Kept, Series, microseconds
from decision_engine.history.series_functions import CompileSeries, fastest_functions
from decision_engine.history.snapshot import read_histories, write_histories
from order_contract.event import OrderEvent

OLDEST: Final = datetime.min.replace(tzinfo=UTC)

MOST_KEPT: Final = 16
"""Series that are kept for a switch back: each costs time on every order."""


class HistoryState:
    """The histories of all keys, and the values of declared features that follow from them.

    `values` gives the features of an order that was not added, `add` adds one, and `count` does both for one order, in
    two thirds of the time; all take an OrderEvent. Series that `known` has too are shared with it; the other series
    start without earlier orders. `compile_series` makes the functions over series.
    """

    def __init__(
        self,
        features: Iterable[HistoryFeature],
        *,
        chunk: int = 512,
        known: "HistoryState | None" = None,
        compile_series: CompileSeries = fastest_functions,
    ) -> None:
        self._chunk = chunk
        self._compile_series = compile_series
        self._series: list[Series] = []
        self._kept: list[Series] = []
        self._prepared: list[Series] = []
        shares = []
        for feature in features:
            if feature.aggregate is Aggregate.LABEL_SHARE:
                shares.append(feature)
                for part in share_parts(feature):
                    self._series_of(part).declare(part)
            else:
                self._series_of(feature).declare(feature)
        self._missing = [series for series in self._series if not (known and known._share(series))]  # noqa: SLF001
        self._loaders: list[tuple[timedelta, AddOrder]] = []
        self._functions: SeriesFunctions = self._compile_series(self._series, shares)
        self.values: ReadFeatures
        self.add: AddOrder
        self.count: ReadFeatures
        self.values, self.add, self.count = self._functions

    def _share(self, wanted: Series) -> bool:
        for series in (*self._series, *self._kept):
            if wanted.can_share(series):
                wanted.histories, wanted.forgotten = series.histories, series.forgotten
                return True
        return False

    def load(self, events: Iterable[OrderEvent], since: datetime, kept_since: datetime = OLDEST) -> None:
        """Add the orders after `kept_since` to the series that are not shared, where a window at `since` reaches them.

        The windows of orders at `since`: of later ones they reach back less far.
        """
        if not self._loaders:
            self._loaders = self._compile_loaders()
        starts = [max(since - window, kept_since) for window, _ in self._loaders]
        adders = [_add_nowhere, *(add for _, add in self._loaders)]
        for event in events:
            adders[bisect_left(starts, event.created_date)](event)

    def _compile_loaders(self) -> list[tuple[timedelta, AddOrder]]:
        """What adds an order to the missing series whose window is so long or longer, longest first."""
        return [
            (
                timedelta(microseconds=window),
                self._compile_series([each for each in self._missing if each.features[-1].window >= window]).add,
            )
            for window in sorted({series.features[-1].window for series in self._missing}, reverse=True)
        ]

    @property
    def missing(self) -> Sequence[Series]:
        """The series that are not shared."""
        return self._missing

    @property
    def has_labels(self) -> bool:
        """Whether labelled orders count in a feature."""
        return any(series.label is not None for series in self._series)

    def add_beside(self, all_series: Iterable[Series]) -> None:
        """Add every order to these series of another state as well, from now on.

        No series of labelled orders may be among them. Another call replaces them; an empty one removes them.
        """
        self._prepared = list(all_series)
        self._compile_functions()

    def _compile_functions(self) -> None:
        self.values, self.add, self.count = self._functions
        if beside := [*self._kept, *self._prepared]:
            add = self._compile_series(beside).add
            _, own_add, own_count = self._functions

            def add_to_all(event: OrderEvent) -> None:
                own_add(event)
                add(event)

            def count_in_all(event: OrderEvent, horizon: int = NO_HORIZON) -> MutableMapping[str, Any]:
                values = own_count(event, horizon)
                add(event)
                return values

            self.add, self.count = add_to_all, count_in_all

    def remove(self, event: OrderEvent) -> None:
        """Take back an order that was added."""
        time = microseconds(event.created_date)
        for series in self._all_series:
            if series.label is None:
                series.remove(event, time)

    @property
    def _all_series(self) -> Sequence[Series]:
        return (*self._series, *self._kept, *self._prepared)

    # ---- histories that are kept for a switch back

    def keep(self, former: "HistoryState") -> None:
        """Keep the histories of the state that this one replaces, and those that it kept, up to `MOST_KEPT` series.

        Every order is added to them, too, so that a state that shares them lacks nothing. Histories of labelled orders
        are not kept.
        """
        replaced = {id(series.histories): series for series in (*former._kept, *former._series)}  # noqa: SLF001
        for series in self._series:
            shared = replaced.pop(id(series.histories), None)
            if shared is not None:
                series.retained = shared.kept_window
        self._kept = [series for series in replaced.values() if series.label is None][-MOST_KEPT:]
        self._compile_functions()

    @property
    def kept_window(self) -> timedelta:
        """The longest window for which orders are kept."""
        windows = (series.kept_window for series in (*self._series, *self._kept))
        return timedelta(microseconds=max(windows, default=0))

    def discard_kept(self, following: "HistoryState | None" = None) -> Generator[None, None, bool]:
        """Keep no more than the features need, and those of a following state; returns whether there was more.

        Yields after each key, as millions of histories take time to free.
        """
        shared = {} if following is None else {id(each.histories): each.kept_window for each in following._series}  # noqa: SLF001
        discarded = [series for series in self._kept if id(series.histories) not in shared]
        self._kept = [series for series in self._kept if id(series.histories) in shared]
        has_more = bool(discarded)
        for series in self._series:
            before = series.kept_window
            series.retained = shared.get(id(series.histories), 0)
            has_more = has_more or series.kept_window < before
        self._compile_functions()
        for series in discarded:
            while series.histories:
                series.histories.popitem()
                yield
        return has_more

    # ---- all histories

    @property
    def keys(self) -> int:
        """How many histories there are."""
        return sum(len(series.histories) for series in self._series)

    @property
    def keys_by_feature(self) -> Mapping[str, int]:
        """How many histories each feature is read from; a share has those of its orders."""
        return {
            feature.name.removesuffix(ORDERS_PART): len(series.histories)
            for series in self._series
            for feature in series.features
            if not feature.name.endswith(LABELLED_PART)
        }

    def forget(self, now: int, lateness: int, horizon: int = NO_HORIZON) -> Generator[None, None, Kept]:
        """Delete orders that no window of an order can reach that is at most `lateness` behind `now`.

        Those up to the horizon as well. Yields after each key, so that the work can be spread; returns what is kept.
        """
        size, oldest = 0, now
        for series in self._all_series:
            kept = yield from series.forget(max(now - lateness - series.kept_window, horizon))
            size, oldest = size + kept.size, min(oldest, kept.oldest)
        return Kept(size, oldest)

    def mark_forgotten(self, now: int, lateness: int, horizon: int) -> None:
        """Orders that `forget` would delete may be gone already: one that is taken back need not be there."""
        for series in self._series:
            series.forgotten = max(now - lateness - series.kept_window, horizon)

    def write(self, file: BinaryIO) -> None:
        """Write all histories, to be read again by a state of the same features."""
        write_histories(self._series, file)

    def read(self, file: BinaryIO) -> None:
        """Read all histories; there are none yet. Raises SnapshotError."""
        read_histories(self._series, file)

    def add_label(self, event: OrderEvent, label: str) -> None:
        """Count an order as labelled so, at its own time."""
        time = microseconds(event.created_date)
        for series in self._series:
            if series.label == label:
                series.add(event, time)

    def remove_label(self, event: OrderEvent, label: str) -> None:
        """Count an order as labelled so no longer."""
        time = microseconds(event.created_date)
        for series in self._series:
            if series.label == label:
                series.remove(event, time)

    def _series_of(self, feature: HistoryFeature) -> Series:
        """The series that has the feature's orders; made when there is none."""
        required = feature.field if feature.field in OPTIONAL_FIELDS else None
        wanted = Series(
            feature.key,
            required,
            self._chunk,
            feature.where,
            feature.condition,
            feature.label,
            constants=feature.constants,
        )
        for series in self._series:
            if series.has_orders_of(wanted):
                return series
        self._series.append(wanted)
        return wanted


def _add_nowhere(_event: OrderEvent) -> None:
    """No window reaches the order."""
