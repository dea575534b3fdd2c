"""What processes may do that root starts, seen in what the kernel says of them."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from devstack import postgres, privileges
from devstack.postgres import EmbeddedPostgres
from devstack.server import LAUNCHER
from order_platform.command_line.errors import CommandError
from tests.support import embedded
from tests.support.ports import free_port

as_root = pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root has capabilities")


@pytest.fixture
def umask_of_up() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def _status(pid: int | str) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


@as_root
def test_what_is_launched_has_no_capability_and_gets_none_back() -> None:
    # A shell that starts another program: root would be given everything again.
    printed = subprocess.check_output([*LAUNCHER, "--", "sh", "-c", "cat /proc/self/status"], text=True)
    status = dict(line.split(":\t", 1) for line in printed.splitlines() if ":\t" in line)
    assert {
        name: int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
    } == dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), 0)
    assert status["NoNewPrivs"] == "1"


@as_root
@pytest.mark.integration
def test_no_process_of_postgresql_is_root_or_has_a_capability(private_postgres: EmbeddedPostgres) -> None:
    processes = [psutil.Process(private_postgres.pid), *psutil.Process(private_postgres.pid).children(recursive=True)]
    assert len(processes) > 3
    for process in processes:
        status = _status(process.pid)
        assert "0" not in status["Uid"].split()
        assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
        assert status["NoNewPrivs"] == "1"


@as_root
@pytest.mark.integration
@pytest.mark.usefixtures("umask_of_up")
def test_programs_in_a_closed_folder_are_run_from_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = tmp_path / "closed"
    installed = postgres._program_path("postgres").parents[3]
    for part in postgres._PARTS:
        shutil.copytree(installed / part, closed / part, symlinks=True)
    closed.chmod(0o700)
    # Not below pytest's own folder, which is closed as well.
    shared = Path(f"/var/cache/orderwatch-test-{os.getpid()}")
    monkeypatch.setattr(privileges, "SHARED_PROGRAMS", shared)
    try:
        found = privileges.reachable_programs(closed, postgres._PARTS, postgres._SAMPLES, "1")
        assert found.parent == shared
        assert privileges.reachable_programs(closed, postgres._PARTS, postgres._SAMPLES, "1") == found
        monkeypatch.setattr(postgres, "reachable_programs", lambda *_: found)
        server = postgres.EmbeddedPostgres(tmp_path / "postgres", free_port(), "test")
        with embedded.serving(server):
            assert Path(psutil.Process(server.pid).exe()).is_relative_to(found)
        assert [
            path for path in shared.rglob("*") if path.lstat().st_mode & stat.S_IWOTH and not path.is_symlink()
        ] == []
    finally:
        shutil.rmtree(shared, ignore_errors=True)


@as_root
def test_a_folder_that_root_could_only_force_its_way_into_is_named(tmp_path: Path) -> None:
    privileges.require_access([tmp_path])
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o755)
    os.chown(theirs, 4321, 4321)
    with pytest.raises(CommandError, match="theirs belongs to user 4321") as raised:
        privileges.require_access([tmp_path, theirs])
    assert "Run this as 4321" in raised.value.advice
