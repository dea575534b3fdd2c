"""dbt as a process in its own environment, because its pins clash with Airflow's."""

import itertools
import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow as pa
import structlog
import yaml

from order_batch.settings import BatchSettings, WarehouseKind
from order_batch.transform.log_lines import LogLine, NodeEvent, read_line
from order_batch.transform.model_versions import ProjectModels, project_models, source_version
from order_batch.transform.results import Build, DbtError, NodeResult, read_results
from order_batch.warehouse.duckdb import connect_when_free
from order_batch.warehouse.file_lock import file_lock

log = structlog.get_logger()

_WITHOUT_UNIT_TESTS: Final = ("--exclude-resource-type", "unit_test")
_FAILING_ROWS: Final = 5
_LONGEST_OUTPUT: Final = 6_000
_TABLE_ROWS: Final = "select schema_name || '.' || table_name, estimated_size from duckdb_tables()"
# Each statement of each model in dbt's log file would take an eighth of a build's CPU time; problems are shown in any
# case.
_DEFAULTS: Final = {"DBT_LOG_LEVEL_FILE": "info"}
# What dbt gets to cancel its query and to close the warehouse, after each signal.
_STOP_SECONDS: Final = 15.0


def log_event(event: NodeEvent) -> None:
    """Write a line into the log when a model or test has ended."""
    if event.ended:
        log.info(event.line())


@dataclass(frozen=True, slots=True)
class _RunningDbt:
    """A dbt process and its lines; it has ended when the context that started it is left."""

    process: "subprocess.Popen[str]"
    lines: Iterator[LogLine]


class Dbt:
    """The dbt project with its environment, on the warehouse that the settings name."""

    def __init__(self, settings: BatchSettings) -> None:
        self._settings = settings
        self._project = settings.dbt_project.absolute()

    def build(self, first: date, last: date, listen: Callable[[NodeEvent], None] = log_event) -> Build:
        """Build and test everything for business dates `first` to `last`; failures are in the results.

        `listen` gets an event when a model or test begins, and when it has ended. Unit tests are left out: they are
        about the SQL, which does not change from night to night.
        """
        dates = {"ORDERWATCH_START_DATE": first.isoformat(), "ORDERWATCH_END_DATE": last.isoformat()}
        return self.run("build", *_WITHOUT_UNIT_TESTS, environment=dates, listen=listen)

    def rebuild(self, listen: Callable[[NodeEvent], None] = log_event) -> Build:
        """Build and test everything for all dates that the raw tables hold; failures are in the results."""
        return self.run("build", *_WITHOUT_UNIT_TESTS, "--full-refresh", listen=listen)

    def run(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        listen: Callable[[NodeEvent], None] = log_event,
    ) -> Build:
        """Run a command that leaves results. Raises DbtError when it leaves none."""
        with self._hold_locks() as inherited:
            if self._settings.warehouse is WarehouseKind.DUCKDB:
                # If another program has the file open, this error is clearer than dbt's.
                with connect_when_free(self._settings.warehouse_path, self._settings.warehouse_wait_seconds, {}):
                    pass
            results = self._target / "run_results.json"
            results.unlink(missing_ok=True)
            problems: list[str] = []
            with self._start(inherited, *arguments, environment=environment) as dbt:
                for line in dbt.lines:
                    if line.event is not None:
                        listen(line.event)
                    if line.is_problem:
                        problems.append(line.text)
                        log.debug("dbt", line=line.text)
            if not results.exists():
                raise DbtError(f"dbt {arguments[0]} did not run:\n{chr(10).join(problems)[-_LONGEST_OUTPUT:]}")
            found = read_results(orjson.loads(results.read_bytes()), self._read_manifest())
            return Build([self._add_failing_rows(result, inherited) for result in self._add_rows(found)])

    def models(self) -> ProjectModels:
        """The project's models with their versions; the project is parsed when a file of it has changed."""
        source = source_version(self._project)
        kept = self._kept_models
        with file_lock(self._run):
            try:
                found = orjson.loads(kept.read_bytes())
            except (FileNotFoundError, orjson.JSONDecodeError):
                found = {}
            if found.get("source") == source:
                return ProjectModels(found["versions"], frozenset(found["incremental"]))
            target = self._parsed.parent
            manifest = self._make(self._parsed, (), "parse", "--target-path", str(target))
            variables = yaml.safe_load((self._project / "dbt_project.yml").read_text()).get("vars", {})
            models = project_models(orjson.loads(manifest.read_bytes()), variables)
            written = {"source": source, "versions": models.versions, "incremental": sorted(models.incremental)}
            kept.write_bytes(orjson.dumps(written))
            return models

    def source_freshness(self) -> dict[str, Any]:
        """The ages of the sources that declare one, as in dbt's sources.json. Raises DbtError when dbt did not run."""
        target = self._target / "freshness"
        with self._hold_locks() as inherited:
            arguments = ("source", "freshness", "--target-path", str(target))
            found = self._make(target / "sources.json", inherited, *arguments, may_find_faults=True)
            ages: dict[str, Any] = orjson.loads(found.read_bytes())
            return ages

    def write_pages(self) -> Path:
        """Write the pages about models, columns, tests and lineage; returns their folder. Raises DbtError.

        Types of columns are those in the warehouse; without a DuckDB file there are none, and none is made.
        """
        target = self._target / "docs"
        without_file = self._settings.warehouse is WarehouseKind.DUCKDB and not self._settings.warehouse_path.exists()
        environment = {"ORDERWATCH_WAREHOUSE_PATH": ":memory:"} if without_file else {}
        with self._hold_locks() as inherited:
            arguments = ("docs", "generate", "--target-path", str(target))
            self._make(target / "catalog.json", inherited, *arguments, environment=environment)
        return target

    def manifest(self) -> dict[str, Any]:
        """dbt's manifest of the last run. Raises DbtError if there is none."""
        with file_lock(self._run):
            return self._read_manifest()

    def project_manifest(self) -> dict[str, Any]:
        """dbt's manifest of the project as it is now, whether or not dbt has run. Raises DbtError."""
        if not self._parsed.exists():
            self._kept_models.unlink(missing_ok=True)
        self.models()
        with file_lock(self._run):
            manifest: dict[str, Any] = orjson.loads(self._parsed.read_bytes())
        return manifest

    def _make(
        self,
        file: Path,
        inherited: tuple[int, ...],
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        may_find_faults: bool = False,
    ) -> Path:
        """Run a command that writes a file; `may_find_faults` when its exit code is about what it found.

        Raises DbtError when it failed.
        """
        file.unlink(missing_ok=True)
        with self._start(inherited, *arguments, environment=environment) as dbt:
            problems = [line.text for line in dbt.lines if line.is_problem]
        if not file.exists() or (dbt.process.returncode and not may_find_faults):
            command = " ".join(itertools.takewhile(lambda argument: not argument.startswith("-"), arguments))
            raise DbtError(f"dbt {command} did not run:\n{chr(10).join(problems)[-_LONGEST_OUTPUT:]}")
        return file

    @contextmanager
    def _start(
        self, inherited: tuple[int, ...], *arguments: str, environment: Mapping[str, str] | None = None
    ) -> Iterator["_RunningDbt"]:
        """Run dbt, whose lines come as they are printed; an exception, also of a signal, stops dbt first."""
        # dbt needs the memory that Arrow keeps for a next extraction: 32 MB after a million orders.
        pa.default_memory_pool().release_unused()
        target = ["--target", self._settings.warehouse.value, "--no-use-colors"]
        process = subprocess.Popen(
            [self._python, self._project / "run_dbt.py", *arguments, *target, *self._last_parse()],
            cwd=self._project,
            env={**_DEFAULTS, **os.environ, **self._environment(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # If this process is killed, dbt continues; the locks keep others out until it has ended.
            pass_fds=inherited,
            # A signal from the terminal reaches this process alone, which stops dbt once.
            start_new_session=True,
        )
        with process:
            try:
                assert process.stdout is not None
                yield _RunningDbt(process, (read_line(line) for line in process.stdout))
                process.wait()
            except BaseException:
                _stop(process)
                raise

    def _add_rows(self, results: Iterable[NodeResult]) -> list[NodeResult]:
        """The results with the rows of tables that dbt did not count: DuckDB's adapter counts none."""
        found = list(results)
        if self._settings.warehouse is not WarehouseKind.DUCKDB:
            return found
        settings = self._settings
        with connect_when_free(settings.warehouse_path, settings.warehouse_wait_seconds, {}) as connection:
            counted = dict(connection.execute(_TABLE_ROWS).fetchall())
        return [
            replace(each, rows=counted.get(f"{each.layer}.{each.name}")) if each.kind == "model" else each
            for each in found
        ]

    def _add_failing_rows(self, result: NodeResult, inherited: tuple[int, ...]) -> NodeResult:
        """The result of a failed test with the first rows that break it; none when they cannot be read."""
        if not result.is_failed_test or not result.compiled_code:
            return result
        arguments = ["--inline", result.compiled_code, "--limit", str(_FAILING_ROWS), "--output", "json"]
        # In a folder of its own: the manifest and the results of the build stay.
        with self._start(inherited, "show", *arguments, "--target-path", str(self._target / "show")) as dbt:
            previews = [line.preview for line in dbt.lines if line.preview is not None]
        return replace(result, failing_rows=orjson.loads(previews[0]) if previews else ())

    @contextmanager
    def _hold_locks(self) -> Iterator[tuple[int, ...]]:
        """Hold the locks of what dbt writes: its target folder and DuckDB's file; yields their descriptors."""
        with ExitStack() as held:
            yield tuple(held.enter_context(file_lock(path)) for path in self._lock_paths())

    def _lock_paths(self) -> Iterator[Path]:
        yield self._run
        if self._settings.warehouse is WarehouseKind.DUCKDB:
            yield self._settings.warehouse_path.absolute()

    @property
    def _python(self) -> Path:
        return self._project / ".venv" / "bin" / "python"

    @property
    def _run(self) -> Path:
        """Path that the lock of the target folder is named after; inside it, as other folders may be read-only."""
        return self._target / "order-batch"

    @property
    def _target(self) -> Path:
        return self._project / "target"

    @property
    def _kept_models(self) -> Path:
        """The versions of the models, of the project as it was parsed last."""
        return self._target / f"model_versions.{self._settings.warehouse}.json"

    @property
    def _parsed(self) -> Path:
        """The manifest of the project as it was parsed last."""
        return self._target / "parse" / "manifest.json"

    def _last_parse(self) -> list[str]:
        """Arguments by which dbt takes over what it parsed last; each target folder would begin with nothing."""
        folders = (self._target, self._parsed.parent)
        found = [path for folder in folders if (path := folder / "partial_parse.msgpack").exists()]
        if not found:
            return []
        return ["--partial-parse-file-path", str(max(found, key=lambda path: path.stat().st_mtime_ns))]

    def _environment(self) -> dict[str, str]:
        """Environment of dbt's profiles, from the settings of this process."""
        settings = self._settings
        return {
            "ORDERWATCH_WAREHOUSE_PATH": str(settings.warehouse_path.absolute()),
            "ORDERWATCH_BIGQUERY_PROJECT": settings.bigquery_project or "",
            "ORDERWATCH_BIGQUERY_DATASET_PREFIX": settings.bigquery_dataset_prefix,
            "ORDERWATCH_BIGQUERY_LOCATION": settings.bigquery_location,
            "ORDERWATCH_BIGQUERY_MAXIMUM_BYTES_BILLED": str(settings.bigquery_maximum_bytes_billed),
            # All dates, but for a build of some. Not as variables of dbt: it parses the project again for other ones.
            "ORDERWATCH_START_DATE": "",
            "ORDERWATCH_END_DATE": "",
            "DBT_PROFILES_DIR": str(self._project),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }

    def _read_manifest(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = orjson.loads((self._target / "manifest.json").read_bytes())
        except FileNotFoundError as error:
            raise DbtError(f"dbt has not run in {self._project} yet: run `make batch DATE=...`") from error
        return found


def _stop(process: "subprocess.Popen[str]") -> None:
    """Stop dbt: an interrupt, on which it cancels its query, then what it cannot ignore."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        process.send_signal(number)
        try:
            process.communicate(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        break
