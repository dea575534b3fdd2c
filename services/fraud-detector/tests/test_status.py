"""Liveness and readiness: each check has one owner, and only that one takes back what it reported."""

from fraud_detector.stream.status import Check, Status


def joined() -> Status:
    status = Status(lambda: 0.0)
    status.joined()
    return status


def test_a_check_that_goes_well_does_not_take_back_what_another_found() -> None:
    status = joined()
    status.away(Check.PUBLISHING, "not enough replicas")
    for other in Check:
        if other is not Check.PUBLISHING:
            status.back(other)
            assert status.unready() == "broker: not enough replicas"
    status.back(Check.PUBLISHING)
    assert status.unready() is None


def test_all_problems_are_named_once() -> None:
    status = joined()
    status.away(Check.DATABASE, "refused")
    status.away(Check.STORING, "refused")
    status.away(Check.READING, "no leader")
    assert status.unready() == "database: refused; broker: no leader"


def test_a_process_that_stops_is_not_ready() -> None:
    status = joined()
    status.stopping()
    assert status.unready() == "stopping"


def test_a_loop_that_does_not_turn_is_unhealthy() -> None:
    now = 0.0
    status = Status(lambda: now)
    assert status.unhealthy() is None
    now = Status.STUCK_AFTER + 1
    assert status.unhealthy() == "the loop has not turned for 61 s"
    status.turned()
    assert status.unhealthy() is None
