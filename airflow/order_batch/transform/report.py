"""Reports: what a dbt build did, layer by layer, in a form that tasks can hand on."""

from dataclasses import asdict, dataclass
from typing import Any

import structlog

from order_batch.transform.dbt import Build, NodeResult

log = structlog.get_logger()

LAYERS = ("bronze", "silver", "gold", "tests")


@dataclass(frozen=True, slots=True)
class LayerReport:
    """Models and tests of one layer."""

    name: str
    results: tuple[NodeResult, ...]

    def as_json(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)

    @classmethod
    def of_json(cls, report: dict[str, Any]) -> "LayerReport":
        """The reverse of `as_json`."""
        return cls(report["name"], tuple(NodeResult(**result) for result in report["results"]))


def layers(build: Build) -> list[LayerReport]:
    """The build by layer; a layer of which nothing was built is left out."""
    reports = (LayerReport(name, tuple(r for r in build.results if r.layer == name)) for name in LAYERS)
    return [report for report in reports if report.results]


def check(report: LayerReport) -> None:
    """Log a line a node. Raises DbtError, naming them, when some went wrong."""
    for result in report.results:
        log.info(
            "node", name=result.name, kind=result.kind, status=result.status, seconds=round(result.seconds, 2),
            message=result.message,
        )  # fmt: skip
    Build(report.results).require_success()
