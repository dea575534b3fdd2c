"""What the health check of Airflow's containers reports."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from deploy.airflow_health import PAGE, problem

HEALTH = {
    "metadatabase": {"status": "healthy"},
    "scheduler": {"status": "unhealthy", "latest_scheduler_heartbeat": "2026-11-23T05:57:29+00:00"},
    "triggerer": {"status": None, "latest_triggerer_heartbeat": None},
    "dag_processor": {"status": None, "latest_dag_processor_heartbeat": None},
}


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == PAGE else 404)
        self.end_headers()
        self.wfile.write(json.dumps(HEALTH).encode())

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[str]:
    """An API server's, with a scheduler that fell silent and a DAG processor that never was."""
    with HTTPServer(("127.0.0.1", 0), _Page) as pages:
        thread = threading.Thread(target=pages.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{pages.server_port}"
        finally:
            pages.shutdown()
            thread.join()


def test_a_healthy_airflow_has_no_problems(server: str) -> None:
    assert problem("metadatabase", server) is None


def test_what_fell_silent_is_named_with_its_last_heartbeat(server: str) -> None:
    assert problem("scheduler", server) == "scheduler is unhealthy, last heartbeat at 2026-11-23T05:57:29+00:00"


def test_a_part_without_a_heartbeat_does_not_work(server: str) -> None:
    assert problem("dag_processor", server) == "dag_processor has sent no heartbeat yet"


def test_without_an_api_server_nothing_works() -> None:
    said = problem("scheduler", "127.0.0.1:1")
    assert said is not None
    assert said.startswith("127.0.0.1:1 does not say how it is")
