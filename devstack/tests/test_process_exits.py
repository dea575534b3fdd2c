"""Which ends of a process count as unexpected, with which reason, by supervisord's events."""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from supervisor import events
from supervisor.states import ProcessStates

from devstack.process_exits import ProcessExitRecorder, parse_exits


def process(pid: int, name: str) -> SimpleNamespace:
    """What supervisord knows of a child."""
    return SimpleNamespace(pid=pid, config=SimpleNamespace(name=name), backoff=1)


KAFKA, API = process(3, "kafka"), process(4, "api")


class Options:
    """Children that end, in this order."""

    def __init__(self) -> None:
        self.ended: list[tuple[int, int]] = []

    def waitpid(self) -> tuple[int | None, int | None]:
        return self.ended.pop(0) if self.ended else (None, None)


@pytest.fixture
def options() -> Options:
    return Options()


@pytest.fixture
def recorder(options: Options) -> Iterator[ProcessExitRecorder]:
    callbacks = list(events.callbacks)
    yield ProcessExitRecorder(SimpleNamespace(options=options))
    events.callbacks[:] = callbacks


def end(options: Options, child: SimpleNamespace, status: int, event: type[events.ProcessStateEvent]) -> None:
    """What supervisord does when a child has ended: reap it, then notify."""
    options.ended.append((child.pid, status))
    while options.waitpid()[0] is not None:
        events.notify(event(child, ProcessStates.RUNNING, False))


def test_ends_that_were_not_asked_for_are_recorded_with_code_or_signal(
    recorder: ProcessExitRecorder, options: Options
) -> None:
    before = datetime.now(UTC)
    end(options, KAFKA, signal.SIGKILL, events.ProcessStateExitedEvent)
    end(options, API, 1 << 8, events.ProcessStateBackoffEvent)
    exits = parse_exits(recorder.read())
    assert [(each.process, each.reason) for each in exits] == [
        ("kafka", "terminated by SIGKILL"),
        ("api", "exit status 1"),
    ]
    assert all(before - timedelta(seconds=1) <= each.at <= datetime.now(UTC) for each in exits)


def test_a_stop_and_a_failed_spawn_are_none(recorder: ProcessExitRecorder, options: Options) -> None:
    end(options, KAFKA, signal.SIGTERM, events.ProcessStateStoppedEvent)
    never_spawned = process(0, "api")
    events.notify(events.ProcessStateBackoffEvent(never_spawned, ProcessStates.STARTING))
    assert recorder.read() == []
