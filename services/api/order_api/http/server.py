"""The server: its socket, its configuration, and a shutdown that completes responses."""

import asyncio
import errno
import logging
import resource
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI

from order_api.http.protocol import BoundedHttpProtocol
from order_api.settings import ApiSettings
from order_platform.gc_tuning import freeze_startup_objects
from order_platform.health_server import PortTakenError
from order_platform.kafka_client_log import silence_kafka_client

log = structlog.get_logger(__name__)

LISTEN_QUEUE: Final = 2048
# What the system keeps of a response for a client that does not read; by itself it would keep megabytes for each.
SEND_BUFFER_BYTES: Final = 131_072
# Half of what a body may have; it bounds what a connection hands over at once.
RECEIVE_BUFFER_BYTES: Final = 32_768
SHUTDOWN_SECONDS: Final = 5
# Every waiting client holds a connection; the usual soft limit of 1,024 files would be in the way.
WANTED_FILES: Final = 65_536
# Connections to Postgres and Kafka, files of Python's: a hundred are plenty. Besides, those kept for liveness probes.
OWN_FILES: Final = 100 + BoundedHttpProtocol.limits.probe_connections


class Server(uvicorn.Server):
    """uvicorn, but those who wait or listen are let go first: their answers would hold up the end."""

    def __init__(self, config: uvicorn.Config, release: Callable[[], None]) -> None:
        super().__init__(config)
        self._release = release

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Called once, after a signal."""
        self._release()
        await super().shutdown(sockets)


class CancelledRequests(logging.Filter):
    """Drops the tracebacks of what a shutdown cancels, one per request; uvicorn logs besides how many there are."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        # The lifespan's is the message itself.
        return not isinstance(error, asyncio.CancelledError) and not record.getMessage().endswith("CancelledError\n")


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises PortTakenError, naming the setting, and OSError for an address that is not ours."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    try:
        listening = socket.create_server(address[:2], family=family, backlog=LISTEN_QUEUE)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise PortTakenError(
            f"port {port} on {host} is taken; set ORDERWATCH_API_PORT to another one, or to 0 for any"
        ) from error
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)  # connections inherit these
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    return listening


def configuration(app: FastAPI, settings: ApiSettings) -> uvicorn.Config:
    """How uvicorn serves `app`."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedHttpProtocol,
        limit_concurrency=_max_connections(settings.api_max_connections),
        forwarded_allow_ips=settings.api_trusted_proxies,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=LISTEN_QUEUE,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


def serve(
    settings: ApiSettings, create_app: Callable[[ApiSettings], FastAPI], release_clients: Callable[[FastAPI], None]
) -> None:
    """Serve until SIGTERM or SIGINT, then complete the responses under way and return.

    `release_clients` ends the requests that wait and the streams: their responses would hold up the shutdown.
    """
    _raise_file_limit()
    silence_kafka_client()
    logging.getLogger("uvicorn.error").addFilter(CancelledRequests())
    # uvicorn catches these itself while it serves, and raises them again when it is done: a stop is no failure.
    for wanted in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wanted, _exit_quietly)
    app = create_app(settings)

    with listen(settings.api_host, settings.api_port) as listening:
        freeze_startup_objects()
        host, port = listening.getsockname()[:2]
        log.info("listening", host=host, port=port)
        Server(configuration(app, settings), partial(release_clients, app)).run(sockets=[listening])


def _max_connections(wanted: int) -> int:
    """As many as are wanted and the file limit admits, after what the process itself has open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else min(wanted, max(soft - OWN_FILES, 1))


def _exit_quietly(*_: object) -> None:
    sys.exit(0)


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(WANTED_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
