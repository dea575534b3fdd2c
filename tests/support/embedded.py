"""The real broker and database as child processes of the test run: nothing to install, gone when the run ends."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path

from devstack.kafka import EmbeddedKafka, KafkaRuntime, provide_runtime
from devstack.paths import LOCKS, ROOT
from devstack.postgres import EmbeddedPostgres
from devstack.server import EmbeddedServer
from devstack.settings import EmbeddedSettings
from tests.support.databases import make_template
from tests.support.own_loop import run_on_own_loop
from tests.support.ports import free_port

PASSWORD = "test"
"""Of the database servers' superuser."""

SELDOM_HEARTBEATS = {"broker.heartbeat.interval.ms": 2000, "broker.session.timeout.ms": 9000}
"""Of a broker that no test kills: to report twice a second that it runs takes a third of its CPU time while idle."""

KEPT = ROOT / ".pytest_cache" / f"data-folders-{os.geteuid()}"
"""Data folders that servers of all test runs of this checkout start from; a server wants to own its folder."""


def kafka_runtime() -> KafkaRuntime:
    """The jars that `make install` fetched, or fetch them now."""
    return provide_runtime(EmbeddedSettings().writable_cache(), lambda _done, _total: None)


def new_kafka(home: Path, settings: Mapping[str, int] | None = None) -> EmbeddedKafka:
    """A broker on free ports, not yet started; its data folder is a copy, as to format one starts a Java."""
    kafka = EmbeddedKafka(home, free_port(), free_port(), kafka_runtime(), settings=settings)
    _copy(_formatted(), kafka.data)
    return kafka


def new_postgres(home: Path) -> EmbeddedPostgres:
    """A database server on a free port, not yet started; its data folder is a copy, as initdb takes a second of CPU."""
    return _postgres_from(_initialised(), home)


def _postgres_from(data: Path, home: Path, **settings: str) -> EmbeddedPostgres:
    postgres = EmbeddedPostgres(home, free_port(), PASSWORD, settings=settings)
    _copy(data, postgres.data)
    return postgres


@cache
def _formatted() -> Path:
    """The data folder of a broker that was never started."""

    def make(home: Path) -> None:
        EmbeddedKafka(home, free_port(), free_port(), kafka_runtime()).prepare()

    return _kept("formatted", make)


@cache
def _initialised() -> Path:
    """The data folder of a database server that was never started."""

    def make(home: Path) -> None:
        EmbeddedPostgres(home, free_port(), PASSWORD).prepare()

    return _kept("initialised", make)


@cache
def _migrated() -> Path:
    """The data folder of a database server that has the template of `Databases`."""

    def make(home: Path) -> None:
        server = new_postgres(home)
        with serving(server):
            run_on_own_loop(make_template(server.url()))

    return _kept("migrated", make)


def _kept(name: str, make: Callable[[Path], None]) -> Path:
    """The data folder of a server that `make` has prepared in a folder once, until what it is made by changes."""
    KEPT.mkdir(parents=True, exist_ok=True)
    version, home = _version(), KEPT / name
    stamp = home / "version"
    with (KEPT / f"{name}.lock").open("w") as lock:
        # One test run makes it, the others wait.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != version:
            shutil.rmtree(home, ignore_errors=True)
            make(home)
            stamp.write_text(version)
    return home / "data"


@cache
def _version() -> str:
    """A hash of what decides about the content of data folders: the servers, how they are prepared, the migrations."""
    platform = ROOT / "packages" / "order-platform" / "order_platform" / "postgres"
    files = [*LOCKS.glob("*.txt"), *(ROOT / "devstack" / "devstack").glob("*.py"), *platform.rglob("*.py")]
    return sha256(b"".join(file.read_bytes() for file in sorted(files))).hexdigest()


def _copy(data: Path, to: Path) -> None:
    """Copy with owners, as root's PostgreSQL belongs to another user."""
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", data, to], check=True)


@contextmanager
def serving(server: EmbeddedServer) -> Iterator[None]:
    """Run a server for a while."""
    server.start()
    try:
        server.wait_ready()
        yield
    finally:
        if isinstance(server, EmbeddedKafka):
            server.kill()  # to stop it in order takes a second, for data that no test reads
        else:
            server.terminate()


@contextmanager
def broker() -> Iterator[str]:
    """Bootstrap servers of a broker that is wiped afterwards."""
    with tempfile.TemporaryDirectory(prefix="orderwatch-kafka-", ignore_cleanup_errors=True) as folder:
        kafka = new_kafka(Path(folder), SELDOM_HEARTBEATS)
        with serving(kafka):
            yield kafka.bootstrap_servers


@contextmanager
def postgres() -> Iterator[str]:
    """A superuser's URL of a database server that is wiped afterwards."""
    with tempfile.TemporaryDirectory(prefix="orderwatch-postgres-", ignore_cleanup_errors=True) as folder:
        # No test stops its machine, and waiting for the disk can take longer than the test.
        server = _postgres_from(_migrated(), Path(folder), fsync="off")
        with serving(server):
            yield server.url()
