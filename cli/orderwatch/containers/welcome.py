"""The last step of `docker compose up`: what runs where, and what to try; then wait to be used."""

import os
import socket

from rich.table import Table

from order_contract.probe import ready_problem
from orderwatch.console import OUT
from orderwatch.containers.published import API, DETECTOR, PRODUCER, Published, Service
from orderwatch.first_steps import say_first_steps


def welcome(published: Published) -> None:
    """Print it."""
    OUT.print("Orderwatch is up.", style="bold")
    OUT.print(_table(published))
    say_first_steps(
        settings='eval "$(docker compose exec cli orderwatch env)"',
        live="docker compose exec cli orderwatch flags --follow",
        topics="docker compose exec cli orderwatch topics",
    )


def _table(published: Published) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("service", "state", "address"):
        table.add_column(title)
    for name, port in (("redpanda", published.kafka_port), ("postgres", published.postgres_port)):
        if port:
            table.add_row(name, "running", f"127.0.0.1:{port}")
    if published.console_port:
        table.add_row("console", "running", f"http://127.0.0.1:{published.console_port}")
    table.add_row(DETECTOR.name, _state(DETECTOR), "")
    table.add_row(API.name, _state(API), f"http://127.0.0.1:{published.api_port}/docs")
    table.add_row(PRODUCER.name, _state(PRODUCER), "")
    return table


def _state(service: Service) -> str:
    """How all containers of a service are; none have its name when it is scaled to zero."""
    try:
        found = {str(place[0]) for *_, place in socket.getaddrinfo(*service, type=socket.SOCK_STREAM)}
    except socket.gaierror:
        return "off"
    problems = {problem for host in found if (problem := ready_problem(service.port, host)) is not None}
    return "; ".join(problems) or ("running" if len(found) == 1 else f"{len(found)} running")


if __name__ == "__main__":
    welcome(Published())
    # The container stays, for `docker compose exec`; as this, it needs next to nothing.
    os.execvp("sleep", ("sleep", "infinity"))  # noqa: S606, S607
