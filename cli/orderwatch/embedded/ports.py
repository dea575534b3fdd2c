"""Ports: free ones, and taken ones named with the variable that moves them."""

import random
import socket
from collections.abc import Mapping

import psutil

from orderwatch.errors import OrderwatchError

# Below the range that the system picks outgoing ports from: there, a client that retries while its server restarts
# can be given the server's own port.
_FREE = range(20_000, 32_000)


class PortsTakenError(OrderwatchError):
    """Ports that something else listens on."""


def is_free(port: int) -> bool:
    """Whether a server could listen on the port of this machine."""
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that nobody listens on now."""
    while not is_free(port := random.choice(_FREE)):  # noqa: S311  (no secret)
        pass
    return port


def require_free(ports: Mapping[str, int]) -> None:
    """Raise PortsTakenError unless the ports, given by the variables that move them, are free. 0 is any free port."""
    taken = {variable: port for variable, port in ports.items() if port and not is_free(port)}
    if taken:
        raise PortsTakenError(
            "; ".join(f"port {port} is taken{_by(port)}" for port in taken.values()),
            "Stop what listens there, or move: " + " ".join(f"{name}={port + 10_000}" for name, port in taken.items()),
        )


def _by(port: int) -> str:
    """Who listens on the port, as far as we may know."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return ""
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid is not None:
            return f" by process {connection.pid} ({psutil.Process(connection.pid).name()})"
    return ""
