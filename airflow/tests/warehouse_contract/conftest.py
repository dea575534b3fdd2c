"""The subject of the suites: each warehouse in turn."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .subjects import Subject, bigquery_subject, duckdb_subject


@pytest.fixture(params=["duckdb", "bigquery"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    """A warehouse whose raw tables are created."""
    opened = duckdb_subject(tmp_path) if request.param == "duckdb" else bigquery_subject()
    with opened as subject:
        subject.warehouse.prepare()
        yield subject
