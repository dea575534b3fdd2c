"""Paths of the embedded system: the files in its home folder (`.orderwatch`), and a short path for its socket."""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from order_platform.command_line.errors import CommandError

ROOT = Path(__file__).parents[2]
"""The checkout, which the embedded system runs from."""
LOCKS = ROOT / "locks"
HOME = ROOT / ".orderwatch"
"""Where the embedded system of this checkout is, unless ORDERWATCH_HOME names another folder."""
PROCESSES = ("detector", "api", "producer", "batch")
OLD_PROCESSES = "services"
"""Earlier releases had one file for all."""


@dataclass(frozen=True, slots=True)
class SystemPaths:
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
        """One log per process, and the supervisor's."""
        return self.home / "logs"

    def log(self, process: str) -> Path:
        """What a process printed."""
        return self.logs / f"{process}.log"

    @property
    def snapshots(self) -> Path:
        """Of the detectors' histories."""
        return self.home / "snapshots"

    @property
    def supervisor_configuration(self) -> Path:
        """Generated at every `up`."""
        return self.home / "supervisord.conf"

    @property
    def env(self) -> Path:
        """For people: to be sourced."""
        return self.home / "env"

    @property
    def admin_env(self) -> Path:
        """For people who administer: to be sourced instead."""
        return self.home / "admin.env"

    @property
    def migrate_env(self) -> Path:
        """For `orderwatch migrate`."""
        return self.home / "migrate.env"

    def process_env(self, process: str) -> Path:
        """For one kind of process (detector, api, producer, batch): its settings that hold secrets."""
        return self.home / f"{process}.env"

    @property
    def credentials(self) -> Path:
        """Passwords and keys, kept between runs."""
        return self.home / "credentials.json"

    @property
    def settings(self) -> Path:
        """The settings that the running system was started with."""
        return self.home / "settings.json"

    def all_files(self) -> Iterator[Path]:
        """All that the system puts into the home folder, which may be a folder that holds other things, too."""
        yield from (self.kafka, self.postgres, self.logs, self.snapshots, self.home / "cache", self.home / "bench.json")
        yield from (self.airflow, self.airflow_env, self.staging, *self.home.glob(f"{self.warehouse.name}*"))
        yield from (self.supervisor_configuration, self.env, self.admin_env, self.migrate_env)
        yield from map(self.process_env, (*PROCESSES, OLD_PROCESSES))
        yield from (self.credentials, self.settings)

    @property
    def runtime(self) -> Path:
        """For socket, pid and lock: a socket's path is at most 107 characters, and not every file system holds one."""
        home = hashlib.sha256(bytes(self.home.resolve())).hexdigest()[:12]
        return Path("/tmp") / f"orderwatch-{os.getuid()}-{home}"  # noqa: S108  (made for us alone, see below)

    def make_private(self) -> None:
        """Create the home folder, and close what lies in it to other users, whatever made it, under which umask."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self.all_files():
            # Where root started the server, its user passes through this folder to the data, which is its own.
            _restrict_access(path, keep=0o011 if path == self.postgres else 0)
            for folder, folders, files in os.walk(path):
                for name in (*folders, *files):
                    _restrict_access(Path(folder, name))

    def make_runtime(self) -> None:
        """Create the runtime folder; refuse one that another user has prepared."""
        self.runtime.mkdir(mode=0o700, exist_ok=True)
        found = self.runtime.lstat()
        if found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise CommandError(
                f"{self.runtime} belongs to another user, or others may write to it",
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


def _restrict_access(path: Path, keep: int = 0) -> None:
    """Take away what other users may do with one of our files or folders, except `keep`."""
    try:
        found = path.lstat()
    except FileNotFoundError:  # a process has removed it since
        return
    if stat.S_ISLNK(found.st_mode) or found.st_uid != os.geteuid():
        return
    others = found.st_mode & 0o077 & ~keep
    if others:
        path.chmod(stat.S_IMODE(found.st_mode) & ~others)
