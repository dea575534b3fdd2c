"""Client of the supervisor, a supervisord daemon that starts, restarts and stops the processes."""

import os
import shlex
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import psutil
from supervisor.xmlrpc import SupervisorTransport

from devstack import process_exits, smart_shutdown
from devstack.paths import SystemPaths
from devstack.privileges import command_for_supervisor
from devstack.process_exits import ProcessExit
from devstack.process_specs import ProcessSpec
from order_platform.atomic_write import PRIVATE, write_atomically
from order_platform.command_line.errors import CommandError

STOPPED = frozenset({"STOPPED", "EXITED", "FATAL", "UNKNOWN"})
LOG = "supervisor"
IDENTIFIER = "orderwatch-3"
"""Changes when a supervisor of an earlier release cannot be used: it keeps the code and options of its start."""


@dataclass(frozen=True, slots=True)
class ProcessState:
    """A program as the supervisor sees it. `state` is supervisord's word: RUNNING, STARTING, BACKOFF, ..."""

    name: str
    state: str
    pid: int | None
    started_at: float
    problem: str

    @property
    def stopped(self) -> bool:
        """Whether it is down and stays so."""
        return self.state in STOPPED


class Supervisor:
    """The supervisor of one home folder, whether it runs or not."""

    def __init__(self, paths: SystemPaths, identifier: str = IDENTIFIER) -> None:
        self._paths = paths
        self._identifier = identifier
        transport = SupervisorTransport(None, None, f"unix://{paths.socket}")
        # The address is a formality: the transport connects to the socket.
        self._rpc = xmlrpc.client.ServerProxy("http://supervisor", transport=transport)
        self._transport = transport

    def pid(self) -> int | None:
        """Its process, or None when it does not run."""
        try:
            return cast("int", self._call("getPID"))
        except OSError:
            return None

    def is_current_release(self) -> bool:
        """Whether the running supervisor was started with what this release starts one with."""
        return bool(self._call("getIdentification") == self._identifier)

    def configure(self, programs: Iterable[ProcessSpec]) -> None:
        """Write the configuration; what runs is not changed by that."""
        self._paths.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(
            self._paths.supervisor_configuration,
            _format_configuration(self._paths, programs, self._identifier),
            PRIVATE,
        )

    def start(self) -> None:
        """Start it, with no program running yet. Returns when it answers."""
        self._paths.make_runtime()
        done = subprocess.run(
            command_for_supervisor(
                [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._paths.supervisor_configuration)]
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            umask=0o077,  # its log is there before its own setting holds
            start_new_session=True,  # Ctrl-C is for the command that starts it
            env={**os.environ, "TZ": "UTC"},  # its log is in local time, which must not depend on who reads it
        )
        if done.returncode != 0:
            raise CommandError("the supervisor does not start", done.stdout.strip())
        while self.pid() is None:
            time.sleep(0.02)

    def apply_configuration(self) -> None:
        """Let a running supervisor take over the configuration: stop what is gone from it or changed."""
        ((added, changed, removed),) = self._call("reloadConfig")
        self.stop([*changed, *removed])
        for name in (*changed, *removed):
            self._call("removeProcessGroup", name)
        for name in (*added, *changed):
            self._call("addProcessGroup", name)

    def states(self) -> dict[str, ProcessState]:
        """All programs, by name."""
        return {info["name"]: _parse_state(info) for info in self._call("getAllProcessInfo")}

    def stages(self) -> list[list[str]]:
        """The programs' names, grouped by stage, in the order to stop them in."""
        stages: dict[int, list[str]] = {}
        for info in self._call("getAllConfigInfo"):
            stages.setdefault(info["process_prio"], []).append(info["name"])
        return [names for _, names in sorted(stages.items(), reverse=True)]

    def start_program(self, name: str) -> None:
        """Start a program unless it runs; does not wait for it."""
        try:
            self._call("startProcess", name, False)
        except xmlrpc.client.Fault as fault:
            if "ALREADY_STARTED" not in fault.faultString:
                raise CommandError(f"{name} cannot be started: {fault.faultString}") from fault

    def stop(self, names: Collection[str]) -> None:
        """Stop programs, all at once, and wait; the supervisor kills what takes longer than it may."""
        for name in names:
            try:
                self._call("stopProcess", name, False)
            except xmlrpc.client.Fault as fault:
                if "NOT_RUNNING" not in fault.faultString:
                    raise
        while any(not state.stopped for name, state in self.states().items() if name in names):
            time.sleep(0.05)

    def shut_down(self) -> None:
        """End it and whatever still runs below it, and wait until it is gone."""
        pid = self.pid()
        if pid is None:
            return
        self._call("shutdown")
        if psutil.pid_exists(pid):
            psutil.wait_procs([psutil.Process(pid)])

    def process_exits(self) -> list[ProcessExit]:
        """Every unexpected end of a process since the supervisor started, oldest first; none when it does not run."""
        if self.pid() is None:
            return []
        return process_exits.parse_exits(self._call("read", namespace=process_exits.NAMESPACE))

    def descendants(self) -> list[psutil.Process]:
        """Every process below the supervisor, and itself."""
        pid = self.pid()
        if pid is None:
            return []
        supervisor = psutil.Process(pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def _call(self, method: str, *arguments: Any, namespace: str = "supervisor") -> Any:
        try:
            return getattr(getattr(self._rpc, namespace), method)(*arguments)
        finally:
            self._transport.close()  # a kept connection could be that of a supervisor that has ended


def _parse_state(info: Mapping[str, Any]) -> ProcessState:
    running = info["statename"] in {"RUNNING", "STARTING", "STOPPING"}
    return ProcessState(
        info["name"], info["statename"], info["pid"] or None, info["start"] if running else 0.0, info["spawnerr"]
    )


def _format_configuration(paths: SystemPaths, programs: Iterable[ProcessSpec], identifier: str) -> str:
    sections: dict[str, dict[str, object]] = {
        "unix_http_server": {"file": paths.socket, "chmod": "0600"},
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
        "rpcinterface:smart_shutdown": {"supervisor.rpcinterface_factory": f"{smart_shutdown.__name__}:make_watch"},
        f"rpcinterface:{process_exits.NAMESPACE}": {
            "supervisor.rpcinterface_factory": f"{process_exits.__name__}:make_recorder"
        },
        "supervisord": {
            "logfile": paths.log(LOG),
            "logfile_maxbytes": "5MB",
            "logfile_backups": 1,
            "pidfile": paths.runtime / "supervisor.pid",
            "identifier": identifier,
            "umask": "077",  # whatever its user's is: all that the processes write is private
        },
    }
    if os.geteuid() == 0:
        sections["supervisord"]["user"] = "root"  # said outright, or it warns at every start
    for program in programs:
        sections[f"program:{program.name}"] = {
            "command": shlex.join(program.command),
            "environment": ",".join(f'{name}="{value}"' for name, value in program.environment.items()),
            "priority": 100 + program.stage,
            **({} if program.folder is None else {"directory": program.folder}),
            "autostart": "false",
            "autorestart": "true",
            "startsecs": program.start_seconds,
            "startretries": 1_000_000_000,  # never give up: the disk may have space again, the port be free
            "stopsignal": program.stop_signal,
            "stopwaitsecs": program.stop_seconds,
            "killasgroup": "true",
            "redirect_stderr": "true",
            # Expanded twice by supervisord, unlike all else: the folder, whose name may hold a percent sign, is left
            # to the second time. `here` is where the configuration lies.
            "stdout_logfile": f"%(here)s/logs/{program.name}.log",
            "stdout_logfile_maxbytes": "10MB",
            "stdout_logfile_backups": 2,
        }
    lines = ["; Written by `orderwatch up`; changes are lost at the next one."]
    for title, values in sections.items():
        lines += ["", f"[{title}]", *(f"{name} = {str(value).replace('%', '%%')}" for name, value in values.items())]
    return os.linesep.join(lines) + os.linesep


@dataclass(frozen=True, slots=True)
class ShutdownResult:
    """What was stopped, and what had to be killed in the end (process ids)."""

    stopped: tuple[str, ...]
    killed: tuple[int, ...]


def take_down(supervisor: Supervisor) -> ShutdownResult:
    """Stop stage by stage, then the supervisor; returns when every process of it is gone."""
    processes = supervisor.descendants()
    stopped: list[str] = []
    for names in supervisor.stages() if processes else ():
        running = [name for name in names if not supervisor.states()[name].stopped]
        supervisor.stop(running)
        stopped += running
    supervisor.shut_down()
    _, alive = psutil.wait_procs(processes, timeout=5)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive)
    return ShutdownResult(tuple(stopped), tuple(process.pid for process in alive))
