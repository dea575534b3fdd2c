from collections.abc import Sequence
from datetime import datetime

from decision_engine.history.compiler import SeriesFunctions
from decision_engine.history.declaration import HistoryFeature
from decision_engine.history.series import Series

def compile_series(all_series: Sequence[Series], shares: Sequence[HistoryFeature] = ()) -> SeriesFunctions: ...
def seconds_between(later: datetime, earlier: datetime) -> float: ...
