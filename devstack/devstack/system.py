"""The embedded system in one home folder: settings, servers, and the files with settings that it writes."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from devstack import airflow
from devstack.credentials import Credentials
from devstack.kafka import EmbeddedKafka, KafkaRuntime
from devstack.paths import HOME, OLD_PROCESSES, SystemPaths
from devstack.ports import free_ports
from devstack.postgres import EmbeddedPostgres
from devstack.process_specs import ProcessSpec, batch_specs, server_specs, service_specs
from devstack.settings import EmbeddedSettings
from devstack.supervisor import Supervisor
from order_platform.atomic_write import PRIVATE, write_atomically
from order_platform.command_line.errors import CommandError
from order_platform.command_line.output import ERR
from order_platform.env_file import format_env_file
from order_platform.postgres.provisioning import ORDERS_DATABASE
from order_platform.postgres.roles import DatabaseRole


class System:
    """One embedded system, running or not."""

    def __init__(self, asked: EmbeddedSettings, default_home: Path = HOME) -> None:
        self._default_home = default_home
        self.paths = SystemPaths(asked.home.absolute())
        self.supervisor = Supervisor(self.paths)
        self.running = self.supervisor.pid() is not None
        self.settings = asked
        if self.running and self.paths.settings.exists():
            # What it was started with holds where nothing else is asked for: a terminal that was never told of a
            # moved port finds the system all the same.
            started_with = EmbeddedSettings.model_validate_json(self.paths.settings.read_text())
            ports = asked.ports()
            self.settings = started_with.model_copy(
                # A port of 0 is any free one: the one that was chosen stays.
                update={name: getattr(asked, name) for name in asked.model_fields_set if ports.get(name) != 0}
            )
        self.credentials = Credentials.load(self.paths.credentials)

    @classmethod
    @contextmanager
    def open_for_change(cls, asked: EmbeddedSettings, wait_seconds: float = 0.0) -> Iterator[Self]:
        """The system for the one command at a time that changes what runs; raises CommandError for a second one.

        That waits so long first, and says so.
        """
        paths = SystemPaths(asked.home.absolute())
        with _hold_lock(paths, wait_seconds):
            system = cls(asked)
            try:
                yield system
            finally:
                if system.supervisor.pid() is None:
                    shutil.rmtree(paths.runtime, ignore_errors=True)

    def choose_ports(self) -> None:
        """Put a free port in place of each 0, so that everything that is written down names it."""
        ports = self.settings.ports()
        open_ones = [name for name, port in ports.items() if not port]
        chosen = dict(zip(open_ones, free_ports(len(open_ones), ports.values()), strict=True))
        self.settings = self.settings.model_copy(update=chosen)

    @property
    def bootstrap_servers(self) -> str:
        """Where the broker listens."""
        return f"127.0.0.1:{self.settings.kafka_port}"

    @property
    def api_url(self) -> str:
        """Where the API listens."""
        return f"http://127.0.0.1:{self.settings.api_port}"

    @property
    def airflow_url(self) -> str:
        """Where Airflow's pages are."""
        return f"http://127.0.0.1:{self.settings.airflow_port}"

    def database_url(self, role: DatabaseRole, database: str = ORDERS_DATABASE.name) -> str:
        """Where the orders are stored, or another database, as a role connects to it."""
        password = self.credentials.role_passwords[role]
        return f"postgresql://{role}:{password}@127.0.0.1:{self.settings.postgres_port}/{database}"

    def postgres(self) -> EmbeddedPostgres:
        """The database server."""
        return EmbeddedPostgres(self.paths.postgres, self.settings.postgres_port, self.credentials.postgres_password)

    def kafka(self, runtime: KafkaRuntime) -> EmbeddedKafka:
        """The broker."""
        return EmbeddedKafka(self.paths.kafka, self.settings.kafka_port, self.settings.kafka_controller_port, runtime)

    def process_specs(self, runtime: KafkaRuntime) -> tuple[ProcessSpec, ...]:
        """All that is to run."""
        stream = (*server_specs(self.postgres(), self.kafka(runtime)), *service_specs(self.settings, self.paths))
        return (*stream, *batch_specs(self.settings, self.paths))

    def save(self) -> None:
        """Write down what must survive: settings, passwords, and the environments of processes and people."""
        self.credentials.save(self.paths.credentials)
        write_atomically(self.paths.settings, self.settings.model_dump_json(indent=2) + "\n", PRIVATE)
        kafka = {"ORDERWATCH_KAFKA": self.bootstrap_servers}
        batch_side = airflow.batch_settings(self.paths)
        processes = {
            "detector": {
                **kafka,
                **self._database_variable(DatabaseRole.DETECTOR),
                "ORDERWATCH_SNAPSHOTS": str(self.paths.snapshots),
            },
            "api": {**kafka, **self._database_variable(DatabaseRole.API)},
            "producer": kafka,
            "batch": {**kafka, **self._database_variable(DatabaseRole.BATCH), **batch_side},
        }
        for process, environment in processes.items():
            write_atomically(self.paths.process_env(process), format_env_file(environment), PRIVATE)
        self.paths.process_env(OLD_PROCESSES).unlink(missing_ok=True)
        write_atomically(
            self.paths.migrate_env,
            format_env_file({**kafka, **self._database_variable(DatabaseRole.MIGRATOR)}),
            PRIVATE,
        )
        if self.settings.batch:
            variables = airflow.airflow_variables(
                self.paths,
                self.credentials,
                self.settings.airflow_port,
                self.database_url(DatabaseRole.AIRFLOW, airflow.DATABASE),
            )
            airflow.write_passwords(self.paths, self.credentials)
            write_atomically(self.paths.airflow_env, format_env_file({**processes["batch"], **variables}), PRIVATE)
        people = {"ORDERWATCH_API_URL": self.api_url, **kafka, **batch_side}
        if self.paths.home != self._default_home:
            people["ORDERWATCH_HOME"] = str(self.paths.home)
        if self.credentials.api_key is not None:
            reader = {"ORDERWATCH_API_KEY": self.credentials.api_key, **self._database_variable(DatabaseRole.READER)}
            write_atomically(self.paths.env, format_env_file({**people, **reader}), PRIVATE)
        if self.credentials.admin_key is not None:
            operator = {
                "ORDERWATCH_API_KEY": self.credentials.admin_key,
                **self._database_variable(DatabaseRole.OPERATOR),
            }
            write_atomically(self.paths.admin_env, format_env_file({**people, **operator}), PRIVATE)

    def _database_variable(self, role: DatabaseRole) -> dict[str, str]:
        return {"ORDERWATCH_DATABASE_URL": self.database_url(role)}


@contextmanager
def _hold_lock(paths: SystemPaths, wait_seconds: float) -> Iterator[None]:
    """Hold the lock of a system; raises CommandError where another command holds it for longer than we wait."""
    deadline, noticed = time.monotonic() + wait_seconds, False
    while True:
        paths.make_runtime()
        try:
            lock = paths.lock.open("w")
        except FileNotFoundError:  # another command has just removed the folder
            continue
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                other = f"another command is starting or stopping the system in {paths.home}"
                if time.monotonic() >= deadline:
                    raise CommandError(other, "Wait for it to end.") from None
                if not noticed:
                    ERR.print(f"{other}; waiting for its end", markup=False)
                    noticed = True
                time.sleep(0.1)
                continue
            if not _is_same_file(lock.fileno(), paths.lock):
                continue
            yield
            return


def _is_same_file(descriptor: int, path: Path) -> bool:
    """Whether an open file is the one at a path: it may have been removed with its folder."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
