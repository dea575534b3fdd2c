"""A real Apache Kafka: one node, broker and controller in one process."""

import base64
import shutil
import socket
import subprocess
import uuid
from pathlib import Path

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from orderwatch.embedded.kafka_runtime import KafkaRuntime
from orderwatch.embedded.server import LAUNCHER, EmbeddedServer, ServerFailedError
from orderwatch.whole_file import PRIVATE, write_whole

# Twice the largest message that a topic of ours takes: the limits proper stand at the topics.
LARGEST_REQUEST = 32 * 1024 * 1024


class EmbeddedKafka(EmbeddedServer):
    """Kafka with its data in `home`/data. With `aot_output`, this run writes an ahead-of-time cache at its end."""

    name = "kafka"

    def __init__(
        self, home: Path, port: int, controller_port: int, runtime: KafkaRuntime, *, aot_output: Path | None = None
    ) -> None:
        super().__init__(home, port)
        self.controller_port = controller_port
        self._runtime = runtime
        self._aot_output = aot_output

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
        write_whole(self._properties, self._configuration(), PRIVATE)
        if not (self.data / "meta.properties").exists():
            self._format()

    def command(self) -> list[str]:
        broker = self._runtime.java("kafka.Kafka", str(self._properties), aot_output=self._aot_output)
        return [*LAUNCHER, "--", *broker]

    async def probe(self) -> str | None:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError as error:
            return str(error)
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
        write_whole(properties, configuration, PRIVATE)
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = self._runtime.java(
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
            "socket.request.max.bytes": LARGEST_REQUEST,
            "replica.fetch.max.bytes": LARGEST_REQUEST,
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())
