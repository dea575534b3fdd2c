"""Features that a stream's histories are prepared for, while orders are decided by others."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from decision_engine.history.declaration import HistoryFeature, longest_window
from decision_engine.history.state import HistoryState
from order_contract.event import OrderEvent


class NextFeatures:
    """The features that a StreamFeatures switches to next, with their histories.

    `missing` are the features whose histories lack the orders before `next_offsets`, by partition.
    """

    def __init__(
        self,
        features: Sequence[HistoryFeature],
        histories: HistoryState,
        next_offsets: Mapping[int, int],
        complete_since: Callable[[], datetime],
    ) -> None:
        self.features = features
        self.histories = histories
        self.next_offsets = next_offsets
        self._complete_since = complete_since
        self.missing = [feature for series in histories.missing for feature in series.features]
        self._longest = longest_window(self.missing)

    @property
    def kept_since(self) -> datetime:
        """The histories that lack orders need those that were created after this time."""
        return self._complete_since() - self._longest

    def load(self, events: Iterable[OrderEvent]) -> None:
        """Count stored orders in the histories that lack them."""
        self.histories.load(events, self._complete_since())
