"""The supervisor with small test programs: what it restarts, stops and leaves behind."""

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from devstack.paths import SystemPaths
from devstack.process_specs import ProcessSpec
from devstack.server import LAUNCHER
from devstack.supervisor import LOG, Supervisor, take_down
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

NAP = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


@pytest.fixture
def paths(tmp_path: Path) -> SystemPaths:
    # A folder that is hard on configuration files.
    return SystemPaths(tmp_path / "100%s of it")


@pytest.fixture
def supervisor(paths: SystemPaths) -> Iterator[Supervisor]:
    supervisor = Supervisor(paths)
    yield supervisor
    take_down(supervisor)
    shutil.rmtree(paths.runtime, ignore_errors=True)


def program(name: str, script: str = NAP, *, stage: int = 0, stop_seconds: int = 5, **environment: str) -> ProcessSpec:
    return ProcessSpec(
        name, (*LAUNCHER, "--", sys.executable, "-c", script), stage, stop_seconds, 0, "", environment=environment
    )


def run(supervisor: Supervisor, *programs: ProcessSpec) -> None:
    """Start the supervisor and all programs, and wait until these are at work."""
    supervisor.configure(programs)
    supervisor.start()
    for each in programs:
        supervisor.start_program(each.name)
    eventually(lambda: all(state.state == "RUNNING" for state in supervisor.states().values()), "all to run")


def pid(supervisor: Supervisor, name: str) -> int:
    found = supervisor.states()[name].pid
    assert found is not None
    return found


def test_what_is_killed_is_restarted_and_recorded(supervisor: Supervisor) -> None:
    run(supervisor, program("one"), program("two"))
    first, other = pid(supervisor, "one"), pid(supervisor, "two")
    os.kill(first, signal.SIGKILL)
    eventually(lambda: supervisor.states()["one"].pid not in {None, first}, "a restart")
    assert pid(supervisor, "two") == other
    (exit_,) = supervisor.process_exits()
    assert (exit_.process, exit_.reason) == ("one", "terminated by SIGKILL")


def test_down_stops_stage_by_stage_and_leaves_nothing(supervisor: Supervisor) -> None:
    run(supervisor, program("database", stage=0), program("api", stage=2), program("detector", stage=2))
    processes = supervisor.descendants()
    supervisor.stop(["api"])
    assert supervisor.process_exits() == []
    supervisor.start_program("api")
    result = take_down(supervisor)
    assert set(result.stopped[:2]) == {"api", "detector"}
    assert result.stopped[2:] == ("database",)
    assert result.killed == ()
    assert not any(process.is_running() for process in processes)
    assert supervisor.pid() is None


def test_what_does_not_stop_in_time_is_killed(supervisor: Supervisor) -> None:
    run(supervisor, program("stubborn", STUBBORN, stop_seconds=1))
    processes = supervisor.descendants()
    assert take_down(supervisor).stopped == ("stubborn",)
    assert not any(process.is_running() for process in processes)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no kernel does this")
def test_a_killed_supervisor_leaves_no_orphans_and_can_be_started_again(supervisor: Supervisor) -> None:
    run(supervisor, program("one"), program("two"))
    processes = supervisor.descendants()
    processes[0].kill()
    assert psutil.wait_procs(processes, timeout=90)[1] == []
    assert supervisor.pid() is None
    run(supervisor, program("one"))


def test_a_new_configuration_restarts_only_what_changed(supervisor: Supervisor) -> None:
    run(supervisor, program("kept"), program("changed"), program("gone"))
    kept = pid(supervisor, "kept")
    supervisor.configure([program("kept"), program("changed", SETTING="new"), program("added")])
    supervisor.apply_configuration()
    states = supervisor.states()
    assert states.keys() == {"kept", "changed", "added"}
    assert states["kept"].pid == kept
    assert states["changed"].stopped
    assert states["added"].stopped


def test_a_supervisor_of_an_earlier_release_is_recognised(supervisor: Supervisor, paths: SystemPaths) -> None:
    earlier = Supervisor(paths, identifier="orderwatch")
    earlier.configure([program("one")])
    earlier.start()
    assert not supervisor.is_current_release()
    take_down(supervisor)
    run(supervisor, program("one"))
    assert supervisor.is_current_release()


def test_what_a_program_writes_is_private(supervisor: Supervisor, paths: SystemPaths) -> None:
    paths.make_private()
    script = f"open({str(paths.home / 'written')!r}, 'w'); {NAP}"
    run(supervisor, program("one", script))
    eventually((paths.home / "written").exists, "the file")
    written = [paths.home / "written", paths.log("one"), paths.log(LOG), paths.supervisor_configuration]
    assert [path for path in written if path.stat().st_mode & 0o077] == []


def test_taking_down_what_does_not_run_does_nothing(supervisor: Supervisor) -> None:
    assert take_down(supervisor).stopped == ()
