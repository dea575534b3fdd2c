"""Reports: a log line now and then, or a bar on a terminal; a summary at the end of both."""

import io

import pytest
import structlog
from rich.console import Console

from order_producer.publish import report
from order_producer.publish.report import LogReport, TerminalReport
from order_producer.publish.sink import Counts


def test_a_log_says_how_many_and_how_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 10.0, 20.0, 20.5])
    monkeypatch.setattr(report, "monotonic", lambda: next(clock))
    with structlog.testing.capture_logs() as lines, LogReport() as shown:
        shown.update(Counts(60, 50, 1))
        shown.update(Counts(100, 80, 1))
        shown.finish(Counts(100, 99, 1))

    assert [{name: value for name, value in line.items() if name != "log_level"} for line in lines] == [
        {"event": "publishing", "sent": 60, "acknowledged": 50, "failed": 1, "per_second": 5.0},
        {"event": "publishing", "sent": 100, "acknowledged": 80, "failed": 1, "per_second": 3.0},
        {"event": "finished", "sent": 100, "acknowledged": 99, "failed": 1, "seconds": 20.5},
    ]


@pytest.mark.parametrize(("failed", "mark"), [(0, "✓"), (2, "✗")])
def test_a_terminal_shows_a_bar_and_a_sentence(failed: int, mark: str) -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=120)
    with TerminalReport(lambda counts: counts.sent / 2_000, console) as shown:
        shown.update(Counts(1_000, 900, failed))
        shown.finish(Counts(2_000, 2_000 - failed, failed))

    text = written.getvalue()
    assert "1,000 sent, 900 acknowledged" in text
    assert f"{mark}" in text
    assert f"2,000 sent, {2_000 - failed:,} acknowledged, {failed} failed in " in text
