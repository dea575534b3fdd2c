"""Taking the embedded system down: in order, everything that was started, and nothing else."""

from dataclasses import dataclass

import psutil

from orderwatch.embedded.supervisor import Supervisor


@dataclass(frozen=True, slots=True)
class TakenDown:
    """What was stopped, and what had to be killed in the end (process ids)."""

    stopped: tuple[str, ...]
    killed: tuple[int, ...]


def take_down(supervisor: Supervisor) -> TakenDown:
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
    return TakenDown(tuple(stopped), tuple(process.pid for process in alive))
