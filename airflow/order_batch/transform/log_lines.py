"""dbt's log as it runs: lines of JSON, of which those about the beginning and the end of a node are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from order_batch.transform.results import outcome

# What dbt numbers apart, or does nothing with: its hooks, and who reads the marts.
_NOT_SHOWN: Final = frozenset({"operation", "exposure"})


@dataclass(frozen=True, slots=True)
class NodeEvent:
    """A model or test that begins, or has ended."""

    name: str
    kind: str
    index: int
    total: int
    status: str
    """`started`, or dbt's word for how it ended."""
    seconds: float

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.status != "started"

    @property
    def failed(self) -> bool:
        """Whether it ended with a failure."""
        return outcome(self.kind, self.status) == "failed"

    def line(self) -> str:
        """The event as a line of a log."""
        ended = f"{outcome(self.kind, self.status)} in {self.seconds:.2f} s" if self.ended else "started"
        return f"{self.index}/{self.total} {self.kind} {self.name}: {ended}"


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that dbt printed."""

    text: str
    is_problem: bool
    """Whether it is a warning or an error."""
    event: NodeEvent | None
    preview: str | None
    """The rows that `dbt show` found, as JSON."""


def read_line(line: str) -> LogLine:
    """A line of `run_dbt.py`; any other is taken for a problem, such as a traceback's."""
    try:
        found: Mapping[str, Any] = orjson.loads(line)
        info, data = found["info"], found["data"]
        text, level = str(info["msg"]).strip(), str(info["level"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return LogLine(line.rstrip(), is_problem=bool(line.strip()), event=None, preview=None)
    return LogLine(text, level in {"warn", "error"}, _read_event(data), data.get("preview"))


def _read_event(data: Mapping[str, Any]) -> NodeEvent | None:
    node = data.get("node_info")
    total = data.get("total") or data.get("num_models")
    if not node or not total or "index" not in data or node.get("resource_type") in _NOT_SHOWN:
        return None
    schema = node.get("node_relation", {}).get("schema", "")
    name = node["node_name"] if node["resource_type"] == "test" else f"{schema}.{node['node_name']}"
    seconds = float(data.get("execution_time") or 0)
    return NodeEvent(name, node["resource_type"], data["index"], total, node["node_status"], seconds)
