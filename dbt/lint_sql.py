"""Linter of the project's SQL: `.venv/bin/python lint_sql.py` compiles it for DuckDB and checks it with sqlfluff.

Compiled are all models, as if their tables were there, and all data tests that are the project's own; so macros are
checked in what they produce. Rules and exceptions are in .sqlfluff. Exits with 1, naming file, rule and line.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import sqlfluff
from sqlfluff.core import FluffConfig

PROJECT: Final = Path(__file__).resolve().parent
_TARGET: Final = PROJECT / "target" / "lint"


class Breach(NamedTuple):
    """A rule that compiled SQL breaks; `line` is the one that does."""

    file: str
    node: str
    rule: str
    message: str
    line: str

    def __str__(self) -> str:
        return f"{self.file} ({self.node}): {self.message} [{self.rule}]\n    {self.line.strip()}"


def main() -> int:
    """Compile and lint; the exit code says whether there was a breach."""
    if not compile_project(PROJECT, _TARGET):
        return 1
    manifest = json.loads((_TARGET / "manifest.json").read_text())
    breaches = sorted(lint(manifest))
    for breach in breaches:
        sys.stdout.write(f"{breach}\n")
    checked = len(list(own_nodes(manifest)))
    sys.stdout.write(f"sqlfluff: {checked} models and tests, {len(breaches) or 'no'} breaches\n")
    return 1 if breaches or not checked else 0


def compile_project(project: Path, target: Path) -> bool:
    """Compile the project without a warehouse; dbt's messages are shown when it fails."""
    command = [
        str(PROJECT / ".venv" / "bin" / "dbt"), "--quiet", "compile", "--target", "duckdb", "--no-populate-cache",
        "--profiles-dir", str(project), "--project-dir", str(project), "--target-path", str(target),
        "--log-path", str(target / "logs"), "--exclude", "resource_type:unit_test",
        "--vars", json.dumps({"compile_as_incremental": True}),
    ]  # fmt: skip
    done = subprocess.run(
        command,
        env={**os.environ, "ORDERWATCH_WAREHOUSE_PATH": ":memory:"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.stdout.write(f"{done.stdout}\n{done.stderr}\n")
    return done.returncode == 0


def own_nodes(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Models, and data tests whose SQL is not dbt's own."""
    for node in manifest["nodes"].values():
        if node["resource_type"] == "model":
            yield node
        elif node["resource_type"] == "test":
            named = node.get("test_metadata") or {"name": ""}
            if f"macro.dbt.test_{named['name']}" not in node["depends_on"]["macros"]:
                yield node


def lint(manifest: Mapping[str, Any]) -> Iterator[Breach]:
    """The breaches of what was compiled."""
    config = FluffConfig.from_path(str(PROJECT))
    for node in own_nodes(manifest):
        sql = f"{node['compiled_code'].strip()}\n"
        lines = sql.splitlines()
        for found in sqlfluff.lint(sql, config=config):
            yield Breach(
                node["original_file_path"],
                node["name"],
                f"{found['code']} {found['name']}".strip(),
                found["description"],
                lines[min(found["start_line_no"], len(lines)) - 1],
            )


if __name__ == "__main__":
    sys.exit(main())
