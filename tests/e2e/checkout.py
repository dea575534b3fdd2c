"""A clean checkout in a folder of its own, used through make as its user does."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from devstack.paths import ROOT, SystemPaths
from devstack.settings import EmbeddedSettings
from devstack.supervisor import Supervisor
from order_platform.env_file import read_env_file
from tests.support.ports import free_port

# The interpreter below our own environment: the one that the checkout's environment is made with.
BASE_PYTHON = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
NOT_TRACKED = shutil.ignore_patterns(".git", ".venv", ".orderwatch", "__pycache__", ".*_cache", ".hypothesis")


class Checkout:
    """What a fresh clone holds, with ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        _copy_what_git_would(folder)
        ports = {f"ORDERWATCH_{name.upper()}": str(free_port()) for name in EmbeddedSettings().ports()}
        # What make hands down to the makes below it is meant for the tests, not for the checkout.
        outer = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        # Airflow takes longer to come up than these tests take; the batch side has tests of its own.
        self._environment = {**outer, **ports, "ORDERWATCH_BATCH": "false"}

    @property
    def home(self) -> Path:
        """Where its embedded system keeps its data."""
        return self.folder / ".orderwatch"

    @property
    def env(self) -> dict[str, str]:
        """What sourcing the written file gives."""
        return read_env_file(self.home / "env")

    def make(self, target: str, *, fails: bool = False, **variables: str) -> str:
        """Run `make target NAME=value ...`; returns what it printed."""
        return self._run(_make(target, variables), self._environment, fails=fails)

    def install(self) -> None:
        """What `make up` does first."""
        self._run([str(BASE_PYTHON), "scripts/install.py"], self._environment, fails=False)

    def reuse_installation(self) -> None:
        """Take what `make install` made here of the same sources: compiled modules, pages, environments.

        What is not there is made by make, as in a clone; what only checks and tests need is removed by the first
        `make up`. Tests of the installation do without this.
        """
        for name in _git_files("--others", "--ignored", "packages", "scripts", "services/workbench/order_workbench"):
            if "__pycache__" not in name:
                _copy(name, self.folder)
        for project in ("airflow", "dbt"):
            _link_environment(ROOT / project / ".venv", self.folder / project / ".venv")
        stamp = self.folder / ".venv" / "installed.json"
        if _link_environment(ROOT / ".venv", stamp.parent):
            stamp.unlink()  # not to be written through, should it still be a link
            stamp.write_text(json.dumps({"dev": False, "root": str(self.folder), "inputs": "those of tests"}))

    @contextmanager
    def starting(self, target: str, **variables: str) -> "Iterator[subprocess.Popen[str]]":
        """`make target NAME=value ...`, begun in a process group of its own; both streams are its `stdout`."""
        with subprocess.Popen(
            _make(target, variables), cwd=self.folder, env=self._environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        ) as process:  # fmt: skip
            yield process

    def orderwatch(self, *arguments: str) -> str:
        """Run `orderwatch` on this system; returns what it printed."""
        return self._run(
            [str(self.folder / ".venv" / "bin" / "orderwatch"), *arguments], self._environment, fails=False
        )

    def order_batch(self, *arguments: str, fails: bool = False) -> str:
        """Run `order-batch` on this system, with the variables of its file; returns what it printed."""
        command = str(self.folder / "airflow" / ".venv" / "bin" / "order-batch")
        return self._run(
            [command, *arguments], {**self._environment, **read_env_file(self.home / "batch.env")}, fails=fails
        )

    def _run(self, command: Sequence[str], environment: Mapping[str, str], *, fails: bool) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode != 0) is fails, done.stdout
        return done.stdout

    def status(self) -> dict[str, dict[str, Any]]:
        """What `orderwatch status --json` says, by service."""
        command = [str(self.folder / ".venv" / "bin" / "orderwatch"), "status", "--json"]
        shown = subprocess.check_output(command, cwd=self.folder, env=self._environment)
        return {process["service"]: process for process in json.loads(shown)}

    def pids(self) -> dict[str, int | None]:
        """The process of each service, as the supervisor has it."""
        return {name: state.pid for name, state in Supervisor(SystemPaths(self.home)).states().items()}

    @contextmanager
    def running(self, **variables: str) -> Iterator[str]:
        """`make up` with these variables for a while; yields what it printed. Nothing of its data is left."""
        try:
            yield self.make("up", fails=False, **variables)
        finally:
            processes = self.processes()
            self.make("down")
            assert psutil.wait_procs(processes, timeout=90)[1] == []
            self.make("clean")

    def processes(self) -> list[psutil.Process]:
        """Every process that `make up` left running."""
        return Supervisor(SystemPaths(self.home)).descendants()


def _link_environment(source: Path, folder: Path) -> bool:
    """Copy an installed environment: its files are hard links, but for those that name its folder.

    Returns whether there is one.
    """
    if not (source / "installed.json").exists():
        return False
    links = ["--link"] if source.stat().st_dev == folder.parent.stat().st_dev else []
    subprocess.run(["cp", "--archive", *links, source, folder], check=True)
    naming = [folder / "pyvenv.cfg", folder / "installed.json", *folder.glob("lib/*/site-packages/*.pth")]
    for path in (*naming, *(folder / "bin").iterdir()):
        if path.is_symlink() or path.is_dir():
            continue
        content = path.read_bytes()
        if str(ROOT).encode() in content:
            mode = path.stat().st_mode
            path.unlink()  # as a link, it is the other environment's file, too
            path.write_bytes(_name_another_folder(content, source, folder))
            path.chmod(mode)
    return True


def _name_another_folder(content: bytes, source: Path, folder: Path) -> bytes:
    """A file of the environment `source` as it is in `folder`, whose path may hold spaces."""
    root, other_root = source.parents[1], folder.parents[1]
    if content.startswith(f"#!{source}".encode()):
        start = f"""#!/bin/sh\n'''exec' '{folder}/bin/python' "$0" "$@"\n' '''\n"""
        content = start.encode() + content.partition(b"\n")[2]
    return content.replace(str(root).encode(), str(other_root).encode())


def _make(target: str, variables: Mapping[str, str]) -> list[str]:
    named = {"PYTHON": str(BASE_PYTHON), **variables}
    return ["make", target, *(f"{name}={value}" for name, value in named.items())]


def _copy_what_git_would(folder: Path) -> None:
    """The files that are tracked, or would be; a checkout without git gives all but what is made there."""
    if not (ROOT / ".git").exists():
        shutil.copytree(ROOT, folder, ignore=NOT_TRACKED)
        return
    for name in _git_files("--cached", "--others"):
        _copy(name, folder)


def _git_files(*arguments: str) -> Iterator[str]:
    """What `git ls-files` lists, but for files that are deleted and not yet committed; nothing without git."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "--exclude-standard", "-z", *arguments]
        for name in subprocess.check_output(command, cwd=ROOT, text=True).split("\0"):
            if name and (ROOT / name).exists():
                yield name


def _copy(name: str, folder: Path) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(ROOT / name, folder / name)
