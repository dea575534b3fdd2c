"""Results of a `dbt build`: nodes with their rows and seconds, by layer, and failures with what to do."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

LAYERS: Final = ("bronze", "silver", "gold", "tests")
_FAILURES: Final = frozenset({"error", "fail", "runtime error"})
_COUNTED: Final = frozenset({"model", "seed", "test", "unit_test"})
_WORDS: Final = {
    ("model", "success"): "models built",
    ("seed", "success"): "seeds loaded",
    ("test", "pass"): "tests passed",
    ("unit_test", "pass"): "unit tests passed",
}


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
    rows: int | None = None
    """Rows of a table after the build, where the warehouse says so."""
    bytes_processed: int | None = None
    """What BigQuery read for it; None on DuckDB, and for nodes that read nothing."""
    description: str = ""
    compiled_path: str = ""
    """The SQL that ran."""
    compiled_code: str = field(default="", repr=False)
    failing_rows: Sequence[Mapping[str, Any]] = ()
    """The first rows that break a test."""

    @property
    def failed(self) -> bool:
        """Whether it, or a node before it, failed."""
        return self.status in _FAILURES or self.status == "skipped"

    @property
    def is_failed_test(self) -> bool:
        """Whether it is a test that rows break; those of a warning are counted, but shown nowhere."""
        return self.kind == "test" and self.status == "fail"

    def line(self) -> str:
        """The result as a line of a log."""
        rows = "" if self.rows is None else f", {self.rows:,} rows"
        return f"{self.kind} {self.name}: {outcome(self.kind, self.status)}{rows}, {self.seconds:.2f} s"

    def explain(self) -> str:
        """What failed, the first rows that show it, and where to look."""
        if not self.is_failed_test:
            return f"{self.kind} {self.name} failed: {self.message}"
        lines = [f"test {self.name} failed: {self.message}"]
        lines += [f"  it checks: {self.description}"] if self.description else []
        lines += [f"  row: {', '.join(f'{name}={value}' for name, value in row.items())}" for row in self.failing_rows]
        lines += [f"  its SQL: {self.compiled_path}"] if self.compiled_path else []
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Build:
    """Results of a `dbt build`."""

    results: Sequence[NodeResult]

    def summary(self) -> str:
        """Nodes by what happened to them: `20 models built, 50 tests passed`."""
        counts = Counter(_outcome_of_many(each.kind, each.status) for each in self.results if each.kind in _COUNTED)
        return ", ".join(f"{count:,} {words}" for words, count in counts.items())

    def require_success(self) -> None:
        """Raises DbtError if nodes failed: with each failure, and how many were skipped after it."""
        failures = [each for each in self.results if each.failed]
        if not failures:
            return
        skipped = sum(each.status == "skipped" for each in failures)
        lines = [each.explain() for each in failures if each.status != "skipped"]
        lines += [f"{skipped} models and tests that depend on these were skipped"] if skipped else []
        lines.append("The published marts stay as they were. Repair the cause, then build the dates again.")
        raise DbtError("\n".join(lines))


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


def outcome(kind: str, status: str) -> str:
    """What happened to a node, for a person: dbt has another word for each kind."""
    if status in _FAILURES:
        return "failed"
    return (
        "built" if kind == "model" and status == "success" else {"pass": "passed", "warn": "warned"}.get(status, status)
    )


def read_results(results: Mapping[str, Any], manifest: Mapping[str, Any]) -> Iterator[NodeResult]:
    """The nodes of dbt's run_results.json, as its manifest.json describes them."""
    nodes = {**manifest["nodes"], **manifest.get("unit_tests", {})}
    for result in results["results"]:
        yield _read_result(result, nodes.get(result["unique_id"], {}))


def group_by_layer(build: Build) -> list[LayerReport]:
    """The build by layer; layers without results are left out."""
    reports = (LayerReport(name, tuple(r for r in build.results if r.layer == name)) for name in LAYERS)
    return [report for report in reports if report.results]


def _read_result(result: Mapping[str, Any], node: Mapping[str, Any]) -> NodeResult:
    kind, _, name, *_ = str(result["unique_id"]).split(".")
    path = Path(str(node.get("original_file_path", "")))
    response = result.get("adapter_response") or {}
    rows, read = response.get("rows_affected"), response.get("bytes_processed")
    return NodeResult(
        name=str(node.get("name", name)),
        kind=kind,
        layer=next((part for part in path.parts if part in LAYERS), "tests"),
        status=str(result["status"]),
        seconds=float(result["execution_time"]),
        message=str(result["message"] or ""),
        rows=int(rows) if kind == "model" and isinstance(rows, int) and rows >= 0 else None,
        bytes_processed=None if read is None else int(read),
        description=" ".join(str(node.get("description", "")).split()),
        compiled_path=str(node.get("compiled_path") or ""),
        compiled_code=str(result.get("compiled_code") or ""),
    )


def _outcome_of_many(kind: str, status: str) -> str:
    plural = {"unit_test": "unit tests"}.get(kind, f"{kind}s")
    return _WORDS.get((kind, status), f"{plural} {outcome(kind, status)}")
