"""Where the embedded system keeps what: its folder (`.orderwatch`), and a short one for its socket."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orderwatch.errors import OrderwatchError


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths below a home folder."""

    home: Path

    @property
    def kafka(self) -> Path:
        """The broker's configuration and data."""
        return self.home / "kafka"

    @property
    def postgres(self) -> Path:
        """The database's configuration and data."""
        return self.home / "postgres"

    @property
    def airflow(self) -> Path:
        """Airflow's configuration, passwords and the logs of its tasks."""
        return self.home / "airflow"

    @property
    def airflow_env(self) -> Path:
        """For Airflow: its settings and those of the batch side, with secrets."""
        return self.home / "airflow.env"

    @property
    def warehouse(self) -> Path:
        """The DuckDB file."""
        return self.home / "warehouse.duckdb"

    @property
    def staging(self) -> Path:
        """Files on their way into the warehouse."""
        return self.home / "staging"

    @property
    def logs(self) -> Path:
        """A log a process, and the supervisor's."""
        return self.home / "logs"

    def log(self, process: str) -> Path:
        """What a process printed."""
        return self.logs / f"{process}.log"

    @property
    def supervisor_configuration(self) -> Path:
        """Generated at every `up`."""
        return self.home / "supervisord.conf"

    @property
    def env(self) -> Path:
        """For people: to be sourced."""
        return self.home / "env"

    @property
    def host_env(self) -> Path:
        """The same for people outside the containers, where the system runs in some."""
        return self.home / "host.env"

    @property
    def services_env(self) -> Path:
        """For the services: settings that hold secrets."""
        return self.home / "services.env"

    @property
    def credentials(self) -> Path:
        """Passwords and keys, kept between runs."""
        return self.home / "credentials.json"

    @property
    def settings(self) -> Path:
        """The settings that the running system was started with."""
        return self.home / "settings.json"

    def everything(self) -> Iterator[Path]:
        """All that the system puts into the home folder, which may be a folder that holds other things, too."""
        yield from (self.kafka, self.postgres, self.logs, self.home / "cache", self.home / "bench.json")
        yield from (self.airflow, self.airflow_env, self.staging, *self.home.glob(f"{self.warehouse.name}*"))
        yield from (self.supervisor_configuration, self.env, self.services_env, self.credentials, self.settings)

    @property
    def runtime(self) -> Path:
        """For socket, pid and lock: a socket's path is at most 107 characters, and not every file system holds one."""
        home = hashlib.sha256(bytes(self.home.resolve())).hexdigest()[:12]
        return Path("/tmp") / f"orderwatch-{os.getuid()}-{home}"  # noqa: S108  (made for us alone, see below)

    def make_runtime(self) -> None:
        """Create the runtime folder; refuse one that somebody else prepared for us."""
        self.runtime.mkdir(mode=0o700, exist_ok=True)
        found = self.runtime.lstat()
        if found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise OrderwatchError(
                f"{self.runtime} belongs to somebody else, or others may write to it",
                "Remove it, or set ORDERWATCH_HOME to another folder.",
            )

    @property
    def socket(self) -> Path:
        """The supervisor's."""
        return self.runtime / "supervisor.sock"

    @property
    def lock(self) -> Path:
        """Held by the one command that changes what runs."""
        return self.runtime / "lock"
