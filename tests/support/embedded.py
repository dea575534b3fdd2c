"""The real broker and database as child processes of the test run: nothing to install, gone when the run ends."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack.kafka import EmbeddedKafka, KafkaRuntime, provide_runtime
from devstack.postgres import EmbeddedPostgres
from devstack.server import EmbeddedServer
from devstack.settings import EmbeddedSettings
from tests.support.ports import free_port


def kafka_runtime() -> KafkaRuntime:
    """The jars that `make install` fetched, or fetch them now."""
    return provide_runtime(EmbeddedSettings().writable_cache(), lambda _done, _total: None)


def new_kafka(home: Path) -> EmbeddedKafka:
    """A broker on free ports, not yet started."""
    return EmbeddedKafka(home, free_port(), free_port(), kafka_runtime())


def new_postgres(home: Path) -> EmbeddedPostgres:
    """A database server on a free port, not yet started."""
    return EmbeddedPostgres(home, free_port(), "test")


@contextmanager
def serving(server: EmbeddedServer) -> Iterator[None]:
    """Run a server for a while."""
    server.start()
    try:
        server.wait_ready()
        yield
    finally:
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
        server = new_postgres(Path(folder))
        with serving(server):
            yield server.url()
