"""dbt as a process in its own environment, because its pins clash with Airflow's, and its results by layer."""

import os
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import structlog
import yaml

from order_batch.settings import BatchSettings, WarehouseKind
from order_batch.transform.model_versions import ProjectModels, project_models, source_version
from order_batch.warehouse.duckdb import connect_when_free
from order_batch.warehouse.file_lock import file_lock

log = structlog.get_logger()


class DbtError(Exception):
    """dbt failed; the message names the nodes and their errors."""


@dataclass(frozen=True, slots=True)
class NodeResult:
    """Result of one model or test."""

    name: str
    kind: str
    layer: str
    status: str
    seconds: float
    message: str
    bytes_processed: int | None = None
    """What BigQuery read for it; None on DuckDB, and for nodes that read nothing."""

    @property
    def failed(self) -> bool:
        """Whether it, or a node before it, failed."""
        return self.status in {"error", "fail", "runtime error", "skipped"}


@dataclass(frozen=True, slots=True)
class Build:
    """Results of a `dbt build`."""

    results: Sequence[NodeResult]

    def count(self) -> Mapping[str, int]:
        """Nodes by status."""
        return Counter(result.status for result in self.results)

    def require_success(self) -> None:
        """Raises DbtError, naming them, if nodes failed."""
        failures = [result for result in self.results if result.failed]
        if failures:
            raise DbtError("; ".join(f"{each.kind} {each.name}: {each.status} {each.message}" for each in failures))


class Dbt:
    """The dbt project with its environment, on the warehouse that the settings name."""

    def __init__(self, settings: BatchSettings) -> None:
        self._settings = settings
        self._project = settings.dbt_project.absolute()

    def build(self, first: date, last: date) -> Build:
        """Build and test everything for business dates `first` to `last`; failures are in the results."""
        return self.run("build", "--vars", orjson.dumps({"start_date": first, "end_date": last}).decode())

    def rebuild(self) -> Build:
        """Build and test everything for all dates that the raw tables hold; failures are in the results."""
        return self.run("build", "--full-refresh")

    def run(self, *arguments: str) -> Build:
        """Run a command that leaves results. Raises DbtError when it leaves none."""
        with self._hold_locks() as inherited:
            if self._settings.warehouse is WarehouseKind.DUCKDB:
                # If another program has the file open, this error is clearer than dbt's.
                with connect_when_free(self._settings.warehouse_path, self._settings.warehouse_wait_seconds, {}):
                    pass
            results = self._target / "run_results.json"
            results.unlink(missing_ok=True)
            done = self._execute(*arguments, pass_fds=inherited)
            log.debug("dbt", output=done.stdout)
            if not results.exists():
                raise DbtError(
                    f"dbt {arguments[0]} ended with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-2000:]}"
                )
            return Build(_read_results(orjson.loads(results.read_bytes()), self._read_manifest()))

    def models(self) -> ProjectModels:
        """The project's models with their versions; the project is parsed when a file of it has changed."""
        source = source_version(self._project)
        kept = self._target / f"model_versions.{self._settings.warehouse}.json"
        with file_lock(self._run):
            try:
                found = orjson.loads(kept.read_bytes())
            except (FileNotFoundError, orjson.JSONDecodeError):
                found = {}
            if found.get("source") == source:
                return ProjectModels(found["versions"], frozenset(found["incremental"]))
            done = self._execute("parse", pass_fds=())
            if done.returncode:
                raise DbtError(f"dbt parse ended with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
            variables = yaml.safe_load((self._project / "dbt_project.yml").read_text()).get("vars", {})
            models = project_models(self._read_manifest(), variables)
            written = {"source": source, "versions": models.versions, "incremental": sorted(models.incremental)}
            kept.write_bytes(orjson.dumps(written))
            return models

    def manifest(self) -> dict[str, Any]:
        """dbt's manifest of the last run. Raises DbtError if there is none."""
        with file_lock(self._run):
            return self._read_manifest()

    def _execute(self, *arguments: str, pass_fds: tuple[int, ...]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self._executable, *arguments, "--target", self._settings.warehouse.value, "--no-use-colors"],
            cwd=self._project,
            env={**os.environ, **self._environment()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            # If this process is killed, dbt continues; the locks keep others out until it has ended.
            pass_fds=pass_fds,
        )

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
    def _executable(self) -> Path:
        return self._project / ".venv" / "bin" / "dbt"

    @property
    def _run(self) -> Path:
        """Path that the lock of the target folder is named after; inside it, as other folders may be read-only."""
        return self._target / "order-batch"

    @property
    def _target(self) -> Path:
        return self._project / "target"

    def _environment(self) -> dict[str, str]:
        """Environment of dbt's profiles, from the settings of this process."""
        settings = self._settings
        return {
            "ORDERWATCH_WAREHOUSE_PATH": str(settings.warehouse_path.absolute()),
            "ORDERWATCH_BIGQUERY_PROJECT": settings.bigquery_project or "",
            "ORDERWATCH_BIGQUERY_DATASET_PREFIX": settings.bigquery_dataset_prefix,
            "ORDERWATCH_BIGQUERY_LOCATION": settings.bigquery_location,
            "ORDERWATCH_BIGQUERY_MAXIMUM_BYTES_BILLED": str(settings.bigquery_maximum_bytes_billed),
            "DBT_PROFILES_DIR": str(self._project),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }

    def _read_manifest(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = orjson.loads((self._target / "manifest.json").read_bytes())
        except FileNotFoundError as error:
            raise DbtError(f"dbt has not run in {self._project} yet: run `make batch DATE=...`") from error
        return found


def _read_results(results: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[NodeResult]:
    nodes = {**manifest["nodes"], **manifest.get("unit_tests", {})}
    return [_read_result(result, nodes.get(result["unique_id"], {})) for result in results["results"]]


def _read_result(result: Mapping[str, object], node: Mapping[str, object]) -> NodeResult:
    kind, _, name, *_ = str(result["unique_id"]).split(".")
    path = Path(str(node.get("original_file_path", "")))
    layer = next((part for part in path.parts if part in {"bronze", "silver", "gold"}), "tests")
    response = result.get("adapter_response")
    read = response.get("bytes_processed") if isinstance(response, Mapping) else None
    return NodeResult(
        name,
        kind,
        layer,
        str(result["status"]),
        float(str(result["execution_time"])),
        str(result["message"] or ""),
        None if read is None else int(read),
    )


LAYERS = ("bronze", "silver", "gold", "tests")


@dataclass(frozen=True, slots=True)
class LayerReport:
    """Models and tests of one layer."""

    name: str
    results: tuple[NodeResult, ...]

    def as_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return asdict(self)

    @classmethod
    def of_json(cls, report: dict[str, Any]) -> "LayerReport":
        """The reverse of `as_json`."""
        return cls(report["name"], tuple(NodeResult(**result) for result in report["results"]))


def group_by_layer(build: Build) -> list[LayerReport]:
    """The build by layer; layers without results are left out."""
    reports = (LayerReport(name, tuple(r for r in build.results if r.layer == name)) for name in LAYERS)
    return [report for report in reports if report.results]


def require_success(report: LayerReport) -> None:
    """Log one line per node. Raises DbtError, naming them, if some failed."""
    for result in report.results:
        log.info(
            "node", name=result.name, kind=result.kind, status=result.status, seconds=round(result.seconds, 2),
            message=result.message,
        )  # fmt: skip
    Build(report.results).require_success()
