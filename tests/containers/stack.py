"""deploy/compose.yaml started for real: a project of its own, with ports, volumes and images that no other has."""

import json
import os
import subprocess
import uuid
from pathlib import Path
from typing import Any

from tests.containers.engine import ROOT
from tests.support.ports import free_port
from tests.support.waiting import eventually

PORTS = ("API", "CONSOLE", "KAFKA", "POSTGRES", "AIRFLOW")


class Stack:
    """The containers. `down(volumes=True)` leaves nothing behind."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.name = f"orderwatch-test-{uuid.uuid4().hex[:8]}"
        ports = {f"ORDERWATCH_{port}_PORT": str(free_port()) for port in PORTS}
        self._settings = folder / "settings.env"
        self._settings.write_text("".join(f"{name}={value}\n" for name, value in {**ports, **settings}.items()))
        self.console_url = f"http://127.0.0.1:{ports['ORDERWATCH_CONSOLE_PORT']}"
        self.airflow_url = f"http://127.0.0.1:{ports['ORDERWATCH_AIRFLOW_PORT']}"

    def compose(self, *arguments: str) -> str:
        """Run `docker compose`; returns what it printed to standard output."""
        command = ["docker", "compose", "--project-name", self.name, "--env-file", str(self._settings), *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=_environment())
        assert done.returncode == 0, f"{' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def up(self, *options: str) -> None:
        """Start what does not run, and wait until all of it is well."""
        self.compose("up", "--detach", "--wait", *options)

    def down(self, *, volumes: bool = False) -> None:
        """Stop and remove the containers; the data stays unless told otherwise."""
        self.compose("--profile", "*", "down", *(["--volumes"] if volumes else []))
        if volumes:
            self._remove_images()

    def _remove_images(self) -> None:
        """Those built for this project; `down --rmi local` would leave those of services without containers."""
        ours = f"reference={self.name}-*"
        built = _docker("image", "ls", "--filter", ours, "--format", "{{.Repository}}").split()
        if built:
            _docker("image", "rm", *built)

    def orderwatch(self, *arguments: str) -> str:
        """What the command for people prints."""
        return self.compose("exec", "--no-TTY", "cli", "orderwatch", *arguments)

    def environment(self) -> dict[str, str]:
        """What `eval "$(docker compose exec cli orderwatch env)"` gives a shell."""
        command = ["sh", "-c", 'eval "$1" && env -0', "sh", self.orderwatch("env")]
        lines = subprocess.check_output(command, env={}, text=True).split("\0")
        return dict(line.split("=", 1) for line in lines if line.startswith("ORDERWATCH_"))

    def run(self, service: str, *arguments: str) -> str:
        """What a container of its own prints, which is gone afterwards."""
        return self.compose("run", "--rm", "--no-TTY", service, *arguments)

    def containers(self, *services: str) -> list[str]:
        """Ids of the containers that run, of these services or of all."""
        return self.compose("ps", "--quiet", *services).split()

    def inspect(self, container: str) -> dict[str, Any]:
        """What the engine knows of a container."""
        (found,) = json.loads(_docker("inspect", container))
        assert isinstance(found, dict)
        return found

    def health(self, container: str) -> str:
        """healthy, unhealthy, starting, or what it is instead of running."""
        state = self.inspect(container)["State"]
        return str(state.get("Health", {}).get("Status", "")) if state["Status"] == "running" else state["Status"]

    def kill(self, container: str) -> None:
        """kill -9 of its process: `docker kill` is taken for an operator's wish, and nothing restarts what it stops."""
        pid = self.inspect(container)["State"]["Pid"]
        if pid:  # else it is being restarted at this moment
            killer = f"import os, contextlib\nwith contextlib.suppress(ProcessLookupError): os.kill({pid}, 9)"
            # From a container beside it, so that it works without root, and where the engine runs in another machine.
            _docker("run", "--rm", "--pid=host", "--user=0", f"{self.name}-cli", "python", "-c", killer)

    def network(self, verb: str, container: str, *options: str) -> None:
        """`docker network connect` or `disconnect`."""
        _docker("network", verb, *options, f"{self.name}_default", container)

    def wait_healthy(self, *services: str) -> None:
        """Wait until every container of these services is healthy."""

        def all_are() -> bool:
            found = self.containers(*services)
            return bool(found) and all(self.health(container) == "healthy" for container in found)

        eventually(all_are, f"{', '.join(services)} to be healthy", within=180)


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def _environment() -> dict[str, str]:
    """Ours, without what would be taken for a setting."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("ORDERWATCH_", "COMPOSE_"))}
