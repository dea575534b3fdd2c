"""Last step of `docker compose up`: shows what runs where and what to try, then waits for `docker compose exec`."""

import os
import socket

from rich.table import Table

from order_platform.command_line.getting_started import print_getting_started
from order_platform.command_line.output import OUT
from order_platform.healthcheck import ready_problem
from orderwatch.provisioning.published_services import AIRFLOW, API, DETECTOR, PRODUCER, Published, Service

OFF = "off"
_INVITE = (
    """docker compose exec cli sh -c '. "$ORDERWATCH_HOME/admin.env" && """
    """order-api people invite "Your Name" --role admin'"""
)
# Where deploy/compose.yaml lets orderwatch.provisioning.airflow_secrets put it.
PASSWORDS = "/run/airflow/passwords.json"


def print_welcome(published: Published) -> None:
    """Print it."""
    OUT.print("Orderwatch is up.", style="bold")
    airflow = _state(AIRFLOW)
    OUT.print(_table(published, airflow))
    if airflow != OFF:
        OUT.print("\nUser and password of Airflow's pages:", style="bold")
        OUT.print(f"  docker compose exec {AIRFLOW.name} cat {PASSWORDS}", soft_wrap=True, markup=False)
    OUT.print("\nThe workbench, where flagged orders are reviewed. This prints a link that signs you in:", style="bold")
    OUT.print(f"  {_INVITE}", soft_wrap=True, markup=False)
    print_getting_started(
        settings='eval "$(docker compose exec cli orderwatch env)"',
        live="docker compose exec cli orderwatch flags --follow",
        topics="docker compose exec cli orderwatch topics",
    )


def _table(published: Published, airflow: str) -> Table:
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
    if airflow != OFF:
        table.add_row("airflow", airflow, f"http://127.0.0.1:{published.airflow_port}")
    return table


def _state(service: Service) -> str:
    """How all containers of a service are; none have its name when it is scaled to zero."""
    try:
        places = socket.getaddrinfo(service.name, service.port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return OFF
    found = {str(place[0]) for *_, place in places}
    answers = (ready_problem(service.port, host, service.health) for host in found)
    problems = {problem for problem in answers if problem is not None}
    return "; ".join(problems) or ("running" if len(found) == 1 else f"{len(found)} running")


if __name__ == "__main__":
    print_welcome(Published())
    # The container stays, for `docker compose exec`; as this, it needs next to nothing.
    os.execvp("sleep", ("sleep", "infinity"))  # noqa: S606, S607
