"""Liveness and readiness: each check has one owner, and only that one takes back what it reported."""

from fraud_detector.stream.health import STUCK_AFTER, Check, HealthState


def joined() -> HealthState:
    health = HealthState(lambda: 0.0)
    health.joined()
    return health


def test_a_check_that_goes_well_does_not_take_back_what_another_found() -> None:
    health = joined()
    health.unavailable(Check.PUBLISHING, "not enough replicas")
    for other in Check:
        if other is not Check.PUBLISHING:
            health.recovered(other)
            assert health.unready() == "broker: not enough replicas"
    health.recovered(Check.PUBLISHING)
    assert health.unready() is None


def test_all_problems_are_named_once() -> None:
    health = joined()
    health.unavailable(Check.DATABASE, "refused")
    health.unavailable(Check.STORING, "refused")
    health.unavailable(Check.READING, "no leader")
    assert health.unready() == "database: refused; broker: no leader"


def test_a_process_that_stops_is_not_ready() -> None:
    health = joined()
    health.stopping()
    assert health.unready() == "stopping"


def test_a_loop_that_does_not_turn_is_unhealthy() -> None:
    now = 0.0
    health = HealthState(lambda: now)
    assert health.unhealthy() is None
    now = STUCK_AFTER + 1
    assert health.unhealthy() == "the loop has not turned for 61 s"
    health.heartbeat()
    assert health.unhealthy() is None
