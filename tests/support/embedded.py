"""The real broker and database as child processes of the test run: nothing to install, gone when the run ends."""

import atexit
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from devstack.kafka import EmbeddedKafka, KafkaRuntime, provide_runtime
from devstack.postgres import EmbeddedPostgres
from devstack.server import EmbeddedServer
from devstack.settings import EmbeddedSettings
from tests.support.ports import free_port

PASSWORD = "test"
"""Of the database servers' superuser."""


def kafka_runtime() -> KafkaRuntime:
    """The jars that `make install` fetched, or fetch them now."""
    return provide_runtime(EmbeddedSettings().writable_cache(), lambda _done, _total: None)


def new_kafka(home: Path) -> EmbeddedKafka:
    """A broker on free ports, not yet started; its data folder is a copy, as to format one starts a Java."""
    kafka = EmbeddedKafka(home, free_port(), free_port(), kafka_runtime())
    _copy(_formatted(), kafka.data)
    return kafka


def new_postgres(home: Path, **settings: str) -> EmbeddedPostgres:
    """A database server on a free port, not yet started; its data folder is a copy, as initdb takes a second of CPU."""
    postgres = EmbeddedPostgres(home, free_port(), PASSWORD, settings=settings)
    _copy(_initialised(), postgres.data)
    return postgres


@cache
def _formatted() -> Path:
    """The data folder of a broker that was never started."""
    kafka = EmbeddedKafka(_folder_of_this_run(), free_port(), free_port(), kafka_runtime())
    kafka.prepare()
    return kafka.data


@cache
def _initialised() -> Path:
    """The data folder of a database server that was never started."""
    postgres = EmbeddedPostgres(_folder_of_this_run(), free_port(), PASSWORD)
    postgres.prepare()
    return postgres.data


def _folder_of_this_run() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="orderwatch-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


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
        kafka = new_kafka(Path(folder))
        with serving(kafka):
            yield kafka.bootstrap_servers


@contextmanager
def postgres() -> Iterator[str]:
    """A superuser's URL of a database server that is wiped afterwards."""
    with tempfile.TemporaryDirectory(prefix="orderwatch-postgres-", ignore_cleanup_errors=True) as folder:
        # No test stops its machine, and waiting for the disk can take longer than the test.
        server = new_postgres(Path(folder), fsync="off")
        with serving(server):
            yield server.url()
