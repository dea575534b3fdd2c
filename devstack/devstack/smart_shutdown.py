"""Plugin of the supervisor that finishes a smart shutdown of PostgreSQL, which waits for its clients.

SIGTERM asks PostgreSQL for a smart shutdown: it refuses new connections, and lives on until the last client is gone,
which may be never. The supervisor does not ask for that, but a person or another tool may. A fast shutdown (SIGINT)
ends it within seconds, and the supervisor starts it again.
"""

import signal
import socket
import struct
from typing import Any

from supervisor import events
from supervisor.states import ProcessStates

PROGRAM = "postgres"
PORT_VARIABLE = "ORDERWATCH_POSTGRES_PORT"
# The supervisor does nothing else in the meantime.
RESPONSE_SECONDS = 0.3
_PROTOCOL_3 = 196608
_CANNOT_CONNECT_NOW = b"C57P03\0"
_SHUTTING_DOWN = b"shutting down"


class SmartShutdownWatch:
    """Looks every five seconds. Supervisord keeps it, as one of its interfaces; it offers no calls."""

    def __init__(self, supervisord: Any) -> None:
        self._supervisord = supervisord
        events.subscribe(events.Tick5Event, lambda _: self._check())

    def _check(self) -> None:
        group = self._supervisord.process_groups.get(PROGRAM)
        process = group.processes.get(PROGRAM) if group is not None else None
        if process is None or process.get_state() != ProcessStates.RUNNING:
            return
        if is_shutting_down(int(process.config.environment[PORT_VARIABLE])):
            self._supervisord.options.logger.warn(  # noqa: G010  (supervisord's own logger)
                "postgres has been asked to shut down and waits for its clients; it is made to finish"
            )
            process.signal(signal.SIGINT)


def make_watch(supervisord: Any) -> SmartShutdownWatch:
    """What the configuration names."""
    return SmartShutdownWatch(supervisord)


def is_shutting_down(port: int) -> bool:
    """Whether our PostgreSQL on the port refuses a connection because it shuts down."""
    parameters = b"user\0orderwatch\0\0"
    startup = struct.pack("!ii", 8 + len(parameters), _PROTOCOL_3) + parameters
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=RESPONSE_SECONDS) as connection:
            connection.sendall(startup)
            response = connection.recv(1024)
    except OSError:
        return False
    # It refuses before it asks who we are. The text is not translated: ours is set up without a language.
    return response[:1] == b"E" and _CANNOT_CONNECT_NOW in response and _SHUTTING_DOWN in response
