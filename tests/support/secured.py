"""A broker and a database as managed services offer them: TLS, and clients that have to say who they are."""

import asyncio
import ssl
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import Self

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from devstack.kafka import EmbeddedKafka
from devstack.postgres import EmbeddedPostgres
from tests.support.embedded import kafka_runtime
from tests.support.ports import free_port

USER, PASSWORD = "orders", "s3cret of the broker"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


class Certificates:
    """An authority, and what it issued, as PEM files."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        server, client = authority.issue_cert("localhost", "127.0.0.1"), authority.issue_cert("orders.example")
        self.authority, self.other_authority = folder / "ca.pem", folder / "other-ca.pem"
        self.server, self.server_key = folder / "server.pem", folder / "server.key"
        self.keystore, self.client = folder / "keystore.pem", folder / "client.pem"
        authority.cert_pem.write_to_path(self.authority)
        trustme.CA().cert_pem.write_to_path(self.other_authority)
        server.cert_chain_pems[0].write_to_path(self.server)
        server.private_key_pem.write_to_path(self.server_key)
        client.private_key_and_cert_chain_pem.write_to_path(self.client)
        # Java reads keys in this form alone.
        key = load_pem_private_key(server.private_key_pem.bytes(), password=None)
        self.keystore.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + server.cert_chain_pems[0].bytes()
        )


class SecuredKafka(EmbeddedKafka):
    """Kafka with two more listeners: one for passwords over TLS, one for client certificates."""

    def __init__(self, home: Path, certificates: Certificates) -> None:
        super().__init__(home, free_port(), free_port(), kafka_runtime())
        self._certificates = certificates
        self.sasl, self.tls = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"

    def _format(self, *options: str) -> None:
        scram = [f"--add-scram={name}=[name={USER},password={PASSWORD}]" for name in MECHANISMS if "SCRAM" in name]
        super()._format(*scram, *options)

    def _configuration(self) -> str:
        module = "org.apache.kafka.common.security"
        places = f"PLAINTEXT://{self.bootstrap_servers},SASL_SSL://{self.sasl},SSL://{self.tls}"
        settings = {
            "listeners": f"{places},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": places,
            "listener.security.protocol.map": ",".join(
                ("PLAINTEXT:PLAINTEXT", "SASL_SSL:SASL_SSL", "SSL:SSL", "CONTROLLER:PLAINTEXT")
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self._certificates.keystore,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self._certificates.authority,
            "listener.name.ssl.ssl.client.auth": "required",
            "sasl.enabled.mechanisms": ",".join(MECHANISMS),
            "listener.name.sasl_ssl.plain.sasl.jaas.config": (
                f'{module}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
            ),
            **{
                f"listener.name.sasl_ssl.{name.lower()}.sasl.jaas.config": f"{module}.scram.ScramLoginModule required;"
                for name in MECHANISMS
                if "SCRAM" in name
            },
        }
        # Of a property that is set twice, the last one counts.
        return super()._configuration() + "".join(f"{name}={value}\n" for name, value in settings.items())


class PostgresDoor:
    """TLS in front of a PostgreSQL, whose own build has none: admits no client that does not ask for TLS first.

    Use as a context manager; it serves in a thread of its own.
    """

    _SSL_REQUEST = bytes.fromhex("0000000804d2162f")

    def __init__(self, server: EmbeddedPostgres, certificates: Certificates) -> None:
        self._server = server
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificates.server, certificates.server_key)
        self._thread = threading.Thread(target=asyncio.run, args=[self._serve()])
        self._open = threading.Event()
        self.port = free_port()

    def __enter__(self) -> Self:
        self._thread.start()
        self._open.wait()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        async with await asyncio.start_server(self._let_in, "127.0.0.1", self.port):
            self._open.set()
            await self._closing.wait()

    async def _let_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(OSError, asyncio.IncompleteReadError):
            if await reader.readexactly(len(self._SSL_REQUEST)) != self._SSL_REQUEST:
                return
            writer.write(b"S")
            await writer.start_tls(self._context)
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._server.port)
            with closing(inner_writer):
                await asyncio.gather(_carry(reader, inner_writer), _carry(inner_reader, writer))


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes; its end ends the other direction, too."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    raise ConnectionResetError
