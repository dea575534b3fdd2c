"""Liveness and readiness: each check has one owner, and only that one takes back what it reported."""

import asyncio
from itertools import pairwise

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from fraud_detector.stream.health import (
    STUCK_AFTER,
    Check,
    HealthState,
    log_stacks_when_stuck,
    retry_while_unavailable,
)
from fraud_detector.stream.ports import DependencyUnavailableError
from simulation.virtual_time import run_in_virtual_time
from tests.support.waiting import eventually, until


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


def test_a_call_is_retried_with_backoff_until_the_dependency_recovers() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        health, times = HealthState(loop.time), []
        health.joined()

        async def call() -> str:
            times.append(loop.time())
            if len(times) < 20:
                raise DependencyUnavailableError("refused")
            assert health.unready() == "database: refused"
            return "stored"

        result = await retry_while_unavailable(call, check=Check.STORING, health=health, is_cancelled=lambda: False)
        assert result == "stored"
        assert health.unready() is None
        waits = [later - earlier for earlier, later in pairwise(times)]
        assert all(wait <= min(0.1 * 2**number, 5.0) for number, wait in enumerate(waits))
        assert max(waits) > 1.0
        assert len({round(wait, 6) for wait in waits}) > 10

    run_in_virtual_time(main())


def test_a_retry_ends_when_it_is_cancelled() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def call() -> None:
            raise DependencyUnavailableError("refused")

        await retry_while_unavailable(
            call, check=Check.STORING, health=HealthState(loop.time), is_cancelled=lambda: loop.time() > 30
        )
        assert 30 < loop.time() < 36

    run_in_virtual_time(main())


def test_a_retry_ends_when_its_task_is_cancelled_though_the_client_swallows_that() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def call() -> None:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                raise DependencyUnavailableError("the client was closed") from None

        retrying = loop.create_task(
            retry_while_unavailable(call, check=Check.STORING, health=joined(), is_cancelled=lambda: False)
        )
        await asyncio.sleep(0.5)
        retrying.cancel()
        await asyncio.wait([retrying], timeout=60)
        assert retrying.cancelled()

    run_in_virtual_time(main())


def test_an_error_that_no_retry_cures_is_raised() -> None:
    async def main() -> None:
        async def call() -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await retry_while_unavailable(
                call, check=Check.STORING, health=HealthState(lambda: 0.0), is_cancelled=lambda: False
            )

    run_in_virtual_time(main())


def test_a_call_that_takes_long_is_reported_while_it_is_under_way() -> None:
    async def main() -> None:
        health = HealthState(asyncio.get_running_loop().time)
        health.joined()
        calling = asyncio.create_task(
            retry_while_unavailable(
                lambda: asyncio.sleep(15, "late"), check=Check.COMMITTING, health=health, is_cancelled=lambda: False
            )
        )
        await asyncio.sleep(11)
        assert health.unready() == "broker: no response for 10 s"
        assert await calling == "late"
        assert health.unready() is None

    run_in_virtual_time(main())


async def test_a_loop_that_is_stuck_logs_all_stacks_once() -> None:
    now, checks = 0.0, 0

    def clock() -> float:
        nonlocal checks
        checks += 1
        return now

    health = HealthState(clock)

    async def wait_for_ever() -> None:
        await asyncio.Event().wait()

    waiting = asyncio.create_task(wait_for_ever(), name="waiter")
    await asyncio.sleep(0)
    with capture_logs() as logs, log_stacks_when_stuck(asyncio.get_running_loop(), health, check_every=0.02):

        def hold_the_loop() -> list[EventDict]:
            """Hold it, as a stuck detector does, until it was checked some times; what was logged so far."""
            nonlocal now
            now += STUCK_AFTER + 1
            before = checks
            eventually(lambda: checks > before + 3, "checks of the loop")
            return [entry for entry in logs if entry["event"] == "detector_stuck"]

        [stuck] = hold_the_loop()
        assert "wait_for_ever" in stuck["tasks"]["waiter"]
        assert "hold_the_loop" in stuck["threads"]["MainThread"]
        health.heartbeat()
        recovered = checks
        await until(lambda: checks > recovered + 1, "the loop to be seen turning")
        assert len(hold_the_loop()) == 2
    waiting.cancel()
