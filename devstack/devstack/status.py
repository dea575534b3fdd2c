"""State of each process of the embedded system, as `devstack status` shows it."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import psutil
from rich.table import Table

from devstack.process_exits import ProcessExit
from devstack.supervisor import ProcessState
from devstack.system import System
from order_platform import healthcheck

COLOURS = {"running": "green", "starting": "yellow", "stopping": "yellow"}
AIRFLOW = "airflow-api-server"
AIRFLOW_HEALTH = "/api/v2/monitor/health"
READY_SECONDS: Final = 120
"""Seconds that a process may take until it is ready. Generous: slow machines are waited for while the process lives."""


async def ready_problem(port: int, path: str = "/readyz") -> str | None:
    """None when the page on the port says so, else the problem."""
    return await asyncio.to_thread(healthcheck.ready_problem, port, path=path)


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """One process. `uptime` is in seconds; `restarts` counts unexpected ends since the system came up."""

    service: str
    state: str
    pid: int | None
    uptime: float | None
    restarts: int
    address: str
    last_end: datetime | None
    last_end_reason: str
    problem: str


async def report_processes(system: System) -> list[ProcessReport]:
    """All processes, in the order of their start; none when the system is down."""
    if not system.running:
        return []
    states = system.supervisor.states()
    exits = system.supervisor.process_exits()
    order = [name for names in reversed(system.supervisor.stages()) for name in names]
    return list(await asyncio.gather(*(_report_process(system, states[name], exits) for name in order)))


async def _report_process(system: System, state: ProcessState, exits: Sequence[ProcessExit]) -> ProcessReport:
    ends = [each for each in exits if each.process == state.name]
    port = _process_port(system, state)
    running = state.state in {"RUNNING", "STARTING"}  # it is called starting for its first second, ready or not
    problem: str | None = None if running else state.problem
    if running and port and state.name not in {"postgres", "kafka"}:
        problem = await ready_problem(port, AIRFLOW_HEALTH if state.name == AIRFLOW else "/readyz")
    uptime = time.time() - state.started_at if state.pid else None
    return ProcessReport(
        service=state.name,
        state=running_state(uptime, problem) if running else state.state.lower(),
        pid=state.pid,
        uptime=uptime,
        restarts=len(ends),
        address=_address(state.name, port),
        last_end=ends[-1].at if ends else None,
        last_end_reason=ends[-1].reason if ends else "",
        problem=problem or "",
    )


def running_state(uptime: float | None, problem: str | None) -> str:
    """The state of a process that runs; that it is not ready is no fault while it may still be starting."""
    if problem is None:
        return "running"
    return "starting" if uptime is not None and uptime < READY_SECONDS else "not ready"


def _process_port(system: System, state: ProcessState) -> int:
    fields = {"detector": "detector_port", AIRFLOW: "airflow_port"}
    port: int = getattr(system.settings, fields.get(state.name, f"{state.name}_port"), 0)
    silent = state.name.startswith("airflow-")  # its other processes listen for themselves only
    return port or (0 if silent else _listening_port(state.pid))


def _listening_port(pid: int | None) -> int:
    """Where a process listens that chose the port itself; 0 when it does not."""
    if pid is None:
        return 0
    try:
        connections = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return 0
    return next((each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN), 0)


def _address(name: str, port: int) -> str:
    if not port:
        return ""
    if name == AIRFLOW:
        return f"http://127.0.0.1:{port}"
    if name == "api":
        return f"http://127.0.0.1:{port}/docs"
    if name in {"postgres", "kafka"}:
        return f"127.0.0.1:{port}"
    return f"http://127.0.0.1:{port}/metrics"


def status_table(processes: Sequence[ProcessReport]) -> Table:
    """What runs where."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("service", "state", "pid", "uptime", "restarts", "address"):
        table.add_column(title, justify="right" if title in {"pid", "uptime", "restarts"} else "left")
    for process in processes:
        colour = COLOURS.get(process.state, "red")
        table.add_row(
            process.service,
            f"[{colour}]{process.state}[/]",
            str(process.pid or ""),
            "" if process.uptime is None else str(timedelta(seconds=int(process.uptime))),
            str(process.restarts or ""),
            process.address,
        )
    return table
