"""What dbt has parsed of the project, kept for the next test session: dbt parses again only what has changed since.

Parsing everything takes seven seconds of CPU, and several sessions of a run need it. dbt itself compares files, profile
and variables with what is kept, and parses everything again where it cannot tell what a change concerns.
"""

import os
import shutil
from pathlib import Path

from tests_python.support.raw_tables import ROOT

PROJECT = ROOT / "dbt"
WAREHOUSE_PATH = "warehouse.duckdb"
"""For parsing, which opens no warehouse: with another path the profile would be another one."""


def parse_options(target: str, folder: Path) -> list[str]:
    """Arguments of `dbt parse` for a target of the profile, with `folder` as dbt's target folder."""
    where = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--target-path", str(folder)]
    kept = _kept(target)
    known = ["--partial-parse-file-path", str(kept)] if kept.exists() else []
    return ["parse", "--target", target, *known, *where]


def keep(target: str, folder: Path) -> None:
    """Keep what dbt has left in `folder`, unless nothing changed; another session may do the same at this moment."""
    made, kept = folder / "partial_parse.msgpack", _kept(target)
    if not made.exists():
        return
    kept.parent.mkdir(parents=True, exist_ok=True)
    unfinished = kept.with_suffix(f".{os.getpid()}.part")
    shutil.copy(made, unfinished)
    unfinished.rename(kept)


def _kept(target: str) -> Path:
    return PROJECT / "target" / "parsed_by_tests" / f"{target}.msgpack"
