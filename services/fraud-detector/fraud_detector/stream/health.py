"""Health of the detector: liveness, readiness, retries while a dependency is unavailable, stacks when it is stuck."""

import asyncio
import io
import random
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TypeVar

import structlog

from fraud_detector.stream.ports import DependencyUnavailableError
from order_platform.cancellation import task_is_cancelled

log = structlog.get_logger()

T = TypeVar("T")

# The loop turns at least every second, also while a dependency is unavailable.
STUCK_AFTER = 60.0


class Check(StrEnum):
    """What must succeed for the detector to work, each reported by one owner: another's success does not clear it."""

    JOINING = "broker-joining"
    READING = "broker-reading"
    IDENTITY = "broker-identity"
    OFFSETS = "broker-offsets"
    FOLLOWING = "broker-following"
    """Reading topic decisions, for the orders that other detectors decide."""
    PUBLISHING = "broker-publishing"
    COMMITTING = "broker-committing"
    LABELS_READING = "broker-labels-reading"
    """Reading topic labels, as a member of the group that stores them."""
    LABELS_PUBLISHING = "broker-labels-publishing"
    LABELS_STORING = "database-labels-storing"
    FOLLOWING_LABELS = "broker-labels-following"
    """Reading topic labels, for the label features of this detector."""
    FINDING_LABELLED = "database-labelled-orders"
    """Looking up the orders of these labels."""
    BROKER = "broker"
    """Asked from time to time, also while nothing is read."""
    STORING = "database-storing"
    DATABASE = "database"
    """Asked from time to time, also while nothing is stored."""
    LOADING = "database-loading"
    """Loading the histories of a ruleset that became active."""
    RULESET = "ruleset"
    """The active ruleset version can be run by this detector."""

    @property
    def dependency(self) -> str:
        """What is unavailable when the check fails."""
        return self.value.partition("-")[0]


class HealthState:
    """Liveness and readiness for `/healthz` and `/readyz`, read by another thread; `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float], *, stuck_after: float = STUCK_AFTER) -> None:
        self._clock = clock
        self._stuck_after = stuck_after
        self._failing: dict[Check, str] = {}
        self._joined = False
        self._stopping = False
        self._last_turn = clock()

    def heartbeat(self) -> None:
        """The loop has made a turn."""
        self._last_turn = self._clock()

    def joined(self) -> None:
        """Partitions were assigned, possibly none."""
        self._joined = True

    def stopping(self) -> None:
        """No new work is taken."""
        self._stopping = True

    def unavailable(self, check: Check, problem: str) -> None:
        """The check failed and will be made again."""
        if check not in self._failing:
            log.warning("dependency_unavailable", dependency=check.dependency, check=check.value, problem=problem)
        self._failing[check] = problem

    def recovered(self, check: Check) -> None:
        """The check succeeded."""
        if self._failing.pop(check, None) is not None:
            log.warning("dependency_recovered", dependency=check.dependency, check=check.value)

    def unhealthy(self) -> str | None:
        """Why the process should be restarted, or None."""
        silence = self._clock() - self._last_turn
        return f"the loop has not turned for {silence:.0f} s" if silence > self._stuck_after else None

    def unready(self) -> str | None:
        """Why it does not decide orders now, or None."""
        if self._stopping:
            return "stopping"
        if self._failing:
            problems = (f"{check.dependency}: {problem}" for check, problem in self._failing.copy().items())
            return "; ".join(dict.fromkeys(problems))
        return None if self._joined else "waiting for the consumer group to assign partitions"


async def retry_while_unavailable(
    call: Callable[[], Awaitable[T]],
    *,
    check: Check,
    health: HealthState,
    is_cancelled: Callable[[], bool],
    first_wait: float = 0.1,
    longest_wait: float = 5.0,
    slow_after: float = 10.0,
) -> T | None:
    """The result of `call`, repeated while it raises DependencyUnavailableError; None when `is_cancelled` became true.

    Backoff with jitter: waits are drawn from 0 to a bound that doubles from `first_wait` to `longest_wait` seconds, so
    that members do not reconnect in step. A client may retry by itself without an end, so a call that takes longer
    than `slow_after` is reported as failing while it is under way.
    """
    bound = first_wait
    while True:
        slow = asyncio.get_running_loop().call_later(
            slow_after, health.unavailable, check, f"no response for {slow_after:.0f} s"
        )
        try:
            result = await call()
        except DependencyUnavailableError as error:
            health.unavailable(check, str(error))
        else:
            health.recovered(check)
            return result
        finally:
            slow.cancel()
        if task_is_cancelled():
            raise asyncio.CancelledError
        if is_cancelled():
            return None
        await asyncio.sleep(random.uniform(0, bound))  # noqa: S311  (jitter)
        bound = min(2 * bound, longest_wait)


@contextmanager
def log_stacks_when_stuck(
    loop: asyncio.AbstractEventLoop, health: HealthState, *, check_every: float = 5.0
) -> Iterator[None]:
    """Watch from another thread, and log all stacks once each time that the loop gets stuck."""
    ended = threading.Event()

    def watch() -> None:
        is_stuck = False
        while not ended.wait(check_every):
            problem = health.unhealthy()
            if problem and not is_stuck:
                log.error("detector_stuck", problem=problem, tasks=_task_stacks(loop), threads=_thread_stacks())
            is_stuck = problem is not None

    thread = threading.Thread(target=watch, name="stuck-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _task_stacks(loop: asyncio.AbstractEventLoop) -> dict[str, str]:
    stacks = {}
    for task in asyncio.all_tasks(loop):
        text = io.StringIO()
        task.print_stack(file=text)
        stacks[task.get_name()] = text.getvalue()
    return stacks


def _thread_stacks() -> dict[str, str]:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return {
        names.get(identifier, str(identifier)): "".join(traceback.format_stack(frame))
        for identifier, frame in sys._current_frames().items()  # noqa: SLF001  (the documented way to all stacks)
    }
