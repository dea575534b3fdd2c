"""What ended unexpectedly, from supervisord's own words."""

from datetime import UTC, datetime
from pathlib import Path

from orderwatch.embedded.incidents import Incident, parse_incidents, read_incidents

LOG = """\
2026-11-22 10:00:00,000 INFO supervisord started with pid 1
2026-11-22 10:00:01,000 WARN exited: api (exit status 1; not expected)
2026-11-22 11:00:00,000 INFO supervisord started with pid 2
2026-11-22 11:00:01,100 INFO spawned: 'kafka' with pid 3
2026-11-22 11:00:02,200 INFO success: kafka entered RUNNING state, process has stayed up for > than 1 seconds
2026-11-22 11:00:03,300 WARN exited: kafka (terminated by SIGKILL; not expected)
2026-11-22 11:00:04,400 INFO exited: producer (exit status 0; expected)
2026-11-22 11:00:05,500 WARN stopped: api (exit status 143)
"""
SINCE_THE_LAST_START = [
    Incident("kafka", datetime(2026, 11, 22, 11, 0, 3, tzinfo=UTC), "terminated by SIGKILL"),
    Incident("producer", datetime(2026, 11, 22, 11, 0, 4, tzinfo=UTC), "exit status 0"),
]


def test_only_unexpected_ends_since_the_last_start_count() -> None:
    assert parse_incidents(LOG.splitlines()) == SINCE_THE_LAST_START


def test_a_rotated_log_is_read_together_with_the_current_one(tmp_path: Path) -> None:
    lines = LOG.splitlines(keepends=True)
    (tmp_path / "supervisor.log.1").write_text("".join(lines[:6]))
    (tmp_path / "supervisor.log").write_text("".join(lines[6:]))
    assert read_incidents(tmp_path / "supervisor.log") == SINCE_THE_LAST_START


def test_no_log_no_incidents(tmp_path: Path) -> None:
    assert read_incidents(tmp_path / "supervisor.log") == []
