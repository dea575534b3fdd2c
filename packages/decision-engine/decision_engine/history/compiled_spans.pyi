from decision_engine.history.large_history import LargeHistory
from decision_engine.history.spans import Span

def find_span(history: LargeHistory, since: int, time: int) -> Span | None: ...
