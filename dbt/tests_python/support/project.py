"""The dbt project, run in this process on a warehouse file of its own."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

from tests_python.support import raw_tables
from tests_python.support.kept_parse import PROJECT, WAREHOUSE_PATH, keep, parse_options
from tests_python.support.raw_data import RawData


class DbtFailed(Exception):
    """A dbt command did not succeed: what it said."""


class Project:
    """The dbt project on one DuckDB file. `folder` keeps the file and dbt's target folder."""

    def __init__(self, folder: Path, parsed: Manifest | None = None) -> None:
        """`parsed` saves reading the project for every command, which new variables make dbt do."""
        self.target = folder / "target"
        self.folder = folder
        self._parsed = parsed
        self._path = folder / "warehouse.duckdb"

    def copy(self, folder: Path, parsed: Manifest) -> "Project":
        """The same project and warehouse in another folder, to do things to it."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Project(folder, parsed)

    def run(self, *arguments: str, dates: tuple[date, date] | None = None, **variables: object) -> None:
        """Run a dbt command, for all dates or some, as order-batch does. Raises DbtFailed, also for warnings."""
        _request(dates)
        self._invoke(*arguments, "--vars", json.dumps(variables))

    def _invoke(self, *arguments: str) -> Any:
        where = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--target-path", str(self.target)]
        return self._invoke_at(self._path, *arguments, *where)

    def _invoke_at(self, warehouse: Path, *arguments: str) -> Any:
        os.environ["ORDERWATCH_WAREHOUSE_PATH"] = str(warehouse)
        said: list[str] = []

        def collect(event: Any) -> None:
            if event.info.level != "debug":
                said.append(event.info.msg)

        runner = dbtRunner(manifest=deepcopy(self._parsed), callbacks=[collect])
        # No log file, as dbt would not close it.
        options = ["--quiet", "--warn-error", "--log-level-file", "none"]
        try:
            done = runner.invoke([*options, *arguments])
        finally:
            _close_duckdb()
        if not done.success:
            raise DbtFailed("\n".join([*said, str(done.exception or "")]))
        return done.result

    def parse(self, target: str = "duckdb") -> Manifest:
        """The project as dbt reads it, without requested dates."""
        _request(None)
        parsed: Manifest = self._invoke_at(Path(WAREHOUSE_PATH), *parse_options(target, self.target))
        keep(target, self.target)
        return parsed

    def render(self, template: str, *options: str) -> str:
        """What a template comes to."""
        (result,) = self._invoke("compile", "--inline", template, *options).results
        return str(result.node.compiled_code).strip()

    def manifest(self) -> dict[str, Any]:
        """The project as dbt understood it in the last run."""
        manifest: dict[str, Any] = json.loads((self.target / "manifest.json").read_bytes())
        return manifest

    def load(self, data: RawData) -> None:
        """Make the raw tables hold this and nothing else."""
        with self.connect() as connection:
            raw_tables.create(connection)
            for name, rows in data.tables().items():
                raw_tables.insert(connection, name, rows)

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The warehouse, while dbt does not run."""
        with duckdb.connect(self._path) as connection:
            connection.execute("set TimeZone = 'UTC'")
            yield connection

    def rows(self, relation: str) -> Sequence[tuple[Any, ...]]:
        """All rows of a table or view, in no order."""
        with self.connect() as connection:
            return connection.execute(f"select * from {relation}").fetchall()

    def tables(self) -> Mapping[str, Sequence[tuple[Any, ...]]]:
        """Everything that dbt built in silver and gold, rows in a fixed order."""
        with self.connect() as connection:
            names = connection.execute(
                "select table_schema || '.' || table_name from information_schema.tables "
                "where table_schema in ('silver', 'gold') order by 1"
            ).fetchall()
            return {name: connection.execute(f"select * from {name} order by all").fetchall() for (name,) in names}


def _request(dates: tuple[date, date] | None) -> None:
    """Tell dbt's macros which dates are requested."""
    first, last = (day.isoformat() for day in dates) if dates else ("", "")
    os.environ |= {"ORDERWATCH_START_DATE": first, "ORDERWATCH_END_DATE": last}


def _close_duckdb() -> None:
    """Close the file, which dbt keeps open, and locked, for its next command."""
    environment: Any = DuckDBConnectionManager._ENV
    if environment is not None:
        environment.close()
        DuckDBConnectionManager._ENV = None
