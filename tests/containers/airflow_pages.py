"""Airflow's pages and REST interface, as its one user has them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.containers.stack import Stack
from tests.support.waiting import eventually


class AirflowPages:
    """Asked with the user's token."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        """What /api/v2 answers."""
        found: dict[str, Any] = self._client.get(f"/api/v2/{path}", params=parameters).raise_for_status().json()
        return found

    def trigger(self, dag: str, partition_key: str) -> None:
        """Start a run by hand."""
        body = {"logical_date": None, "partition_key": partition_key}
        self._client.post(f"/api/v2/dags/{dag}/dagRuns", json=body).raise_for_status()

    def states(self, dag: str, partition_key: str) -> list[str]:
        """Those of a DAG's runs for a partition."""
        runs = self.get(f"dags/{dag}/dagRuns", limit=100)["dag_runs"]
        return [run["state"] for run in runs if run["partition_key"] == partition_key]

    def wait_success(self, dag: str, partition_key: str) -> None:
        """Wait until all runs for a partition, at least one, went well."""

        def done() -> bool:
            states = self.states(dag, partition_key)
            assert "failed" not in states, f"{dag} failed for {partition_key}"
            return set(states) == {"success"}

        eventually(done, f"{dag} of {partition_key}", within=400)


def credentials(stack: Stack) -> dict[str, str]:
    """Names and passwords, by the command that `docker compose up` ends with."""
    shown = stack.compose("exec", "--no-TTY", "airflow-api-server", "cat", "/run/airflow/passwords.json")
    found: dict[str, str] = json.loads(shown)
    return found


@contextmanager
def logged_in(stack: Stack) -> Iterator[AirflowPages]:
    """The pages, as a signed-in user sees them."""
    ((username, password),) = credentials(stack).items()
    with httpx.Client(base_url=stack.airflow_url, trust_env=False, timeout=60) as client:
        answer = client.post("/auth/token", json={"username": username, "password": password}).raise_for_status()
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield AirflowPages(client)
