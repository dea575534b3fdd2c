"""State of history features: a fold over orders that gives every feature's value for the next one.

The values are those of the contract: aggregates over the orders that were added, with the same key and an event time in
(t - window, t]. Orders may be added in any order; each counts at its own time.
"""

from collections.abc import Iterable

from decision_engine.history.compiler import compile_series
from decision_engine.history.declaration import OPTIONAL_FIELDS, HistoryFeature
from decision_engine.history.series import Series, microseconds
from order_contract.event import OrderEvent


class HistoryState:
    """The histories of all keys, and the values of declared features that follow from them.

    `values` gives the features of an order that was not added, `add` adds one; both take an OrderEvent.
    """

    def __init__(self, features: Iterable[HistoryFeature], *, chunk: int = 512) -> None:
        self._chunk = chunk
        self._series: list[Series] = []
        for feature in features:
            self._series_of(feature).declare(feature)
        self.values, self.add = compile_series(self._series)

    def remove(self, event: OrderEvent) -> None:
        """Take back an order that was added."""
        time = microseconds(event.created_date)
        for series in self._series:
            series.remove(event, time)

    def _series_of(self, feature: HistoryFeature) -> Series:
        """The series that has the feature's orders; made when there is none."""
        required = feature.field if feature.field in OPTIONAL_FIELDS else None
        for series in self._series:
            if series.key == feature.key and series.required == required:
                return series
        self._series.append(Series(feature.key, required, self._chunk))
        return self._series[-1]
