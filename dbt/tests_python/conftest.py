"""What these tests share: made-up raw data, and the project built from it once."""

import gc
import os
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest
from dbt.contracts.graph.manifest import Manifest

from tests_python.support.cheap_builds import leave_out_comments, without_debug_events
from tests_python.support.googlesql import GoogleSql
from tests_python.support.project import Project
from tests_python.support.raw_data import RawData, make_raw_data

# What is imported and parsed stays: to search it for cycles again and again took a twentieth of a build's time.
gc.set_threshold(50_000)


def pytest_collection_finish() -> None:
    """Leave it out of later searches."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _without_debug_events() -> Iterator[None]:
    with without_debug_events():
        yield


@pytest.fixture(scope="session")
def raw_data() -> RawData:
    """Some 1,000 orders of six days around the end of a month."""
    return make_raw_data()


@pytest.fixture(scope="session")
def commented(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """The project as dbt reads it, for DuckDB."""
    return Project(tmp_path_factory.mktemp("parsed")).parse()


@pytest.fixture(scope="session")
def parsed(commented: Manifest) -> Manifest:
    """The same, whose builds write no descriptions into the warehouse: those of `built` do."""
    parsed = deepcopy(commented)
    leave_out_comments(parsed)
    return parsed


@pytest.fixture(scope="session")
def built(raw_data: RawData, commented: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project built and tested from all raw data at once. For reading only."""
    project = Project(tmp_path_factory.mktemp("built"), commented)
    project.load(raw_data)
    project.run("build")
    return project


@pytest.fixture(scope="session")
def googlesql() -> GoogleSql:
    """Google's analyzer and reference engine."""
    kept = os.environ.get("ORDERWATCH_CACHE")
    return GoogleSql(Path(kept) if kept else Path.home() / ".cache" / "orderwatch")
