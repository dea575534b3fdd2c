"""Ports of this machine: free ones, and an error for taken ones that names the variable to set."""

import random
import socket
from collections.abc import Collection, Mapping

import psutil

from order_platform.command_line.errors import CommandError, ExitCode

# Below the range that the system picks outgoing ports from: there, a client that retries while its server restarts
# can be given the server's own port.
_FREE = range(20_000, 32_000)


class PortsTakenError(CommandError):
    """Ports that something else listens on."""

    exit_code = ExitCode.UNAVAILABLE


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
    """A port that no process listens on now."""
    while not is_free(port := random.choice(_FREE)):  # noqa: S311  (no secret)
        pass
    return port


def free_ports(count: int, not_these: Collection[int] = ()) -> list[int]:
    """So many different ports that no process listens on now."""
    found: list[int] = []
    while len(found) < count:
        if (port := free_port()) not in {*found, *not_these}:
            found.append(port)
    return found


def require_free(ports: Mapping[str, int]) -> None:
    """Raise PortsTakenError unless the ports, given by the variables that move them, are free. 0 is any free port."""
    taken = {variable: port for variable, port in ports.items() if port and not is_free(port)}
    if taken:
        others = zip(taken, free_ports(len(taken), ports.values()), strict=True)
        raise PortsTakenError(
            "; ".join(
                f"port {port} ({variable}) is taken{_describe_listener(port)}" for variable, port in taken.items()
            ),
            "Stop what listens there, or move: " + " ".join(f"{name}={port}" for name, port in others),
        )


def _describe_listener(port: int) -> str:
    """The process that listens on the port, where the system shows it."""
    try:
        connections = psutil.net_connections("tcp")
    except (psutil.Error, OSError):
        return ""
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid is not None:
            try:
                return f" by process {connection.pid} ({psutil.Process(connection.pid).name()})"
            except psutil.Error:  # it ended in between
                return ""
    return ""
