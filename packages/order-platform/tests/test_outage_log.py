"""An outage is logged once, and so is its end."""

from structlog.testing import capture_logs

from order_platform.outage_log import OutageLog


def test_an_outage_and_its_recovery_are_logged_once() -> None:
    outage = OutageLog("broker")
    with capture_logs() as entries:
        outage.succeeded()
        outage.failed(TimeoutError(), hint="wait")
        outage.failed("refused")
        outage.succeeded(waiting=3)
        outage.succeeded()
        outage.failed("refused")
    assert entries == [
        {"event": "broker_unavailable", "log_level": "warning", "problem": "TimeoutError", "hint": "wait"},
        {"event": "broker_recovered", "log_level": "info", "waiting": 3},
        {"event": "broker_unavailable", "log_level": "warning", "problem": "refused"},
    ]
