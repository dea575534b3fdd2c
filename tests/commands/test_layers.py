"""The contracts on imports hold, and a planted breach of each breaks the check."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("packages", "services", "cli", "devstack")
CONTRACT, API = "packages/order-contract/order_contract", "services/api/order_api"


STREAM = "services/fraud-detector/fraud_detector/stream"
WORKBENCH = "services/workbench/order_workbench"

CIRCLES = "No package imports in a circle"

# A module, what it must not import, and the contract that forbids it.
BREACHES = [
    (f"{CONTRACT}/origin.py", "order_producer.cli", "Dependencies point downwards"),
    (f"{CONTRACT}/money.py", "time", "The contract and the engine are pure"),
    (f"{CONTRACT}/money.py", "order_contract.decoding.decoder", CIRCLES),
    (f"{API}/http/compression.py", "order_api.orders.filters", "The API's layers"),
    (f"{API}/kit/etag.py", "order_api.auth.keys", "The API's layers"),
    (f"{API}/orders/filters.py", "order_api.marts.schemas", "The API's features use each other nowhere"),
    ("cli/orderwatch/connections.py", "devstack.ports", "Dependencies point downwards"),
    (f"{STREAM}/health.py", "fraud_detector.settings", "The detector's layers"),
    (f"{STREAM}/pipeline.py", "fraud_detector.stream.kafka_publisher", "The stream's layers"),
    (f"{STREAM}/buffers.py", "asyncpg", "The detector's loop knows ports"),
    (f"{WORKBENCH}/kit/documents.py", "order_workbench.now.routes", "The workbench's layers"),
    (f"{WORKBENCH}/queue/forms.py", "asyncpg", "The workbench has no SQL"),
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What the check finds in a copy of the workspace with all the breaches planted, by contract."""
    copy = tmp_path_factory.mktemp("copy")
    shutil.copy(ROOT / "pyproject.toml", copy)
    for folder in FOLDERS:
        shutil.copytree(
            ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("tests", "__pycache__", "node_modules")
        )
    for module, imported, _ in BREACHES:
        path = copy / module
        path.write_text(f"{path.read_text()}\nimport {imported}\n")
    paths = [str(path.parent) for folder in FOLDERS for path in copy.glob(f"{folder}/**/pyproject.toml")]
    program = f"import sys; sys.path[:0] = {paths!r}; from importlinter.cli import lint_imports_command as lint; lint()"
    command = [sys.executable, "-c", program, "--no-logo", "--no-cache"]
    result = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert result.returncode == 1, result.stdout
    # A contract's name, underlined, then what breaks it; lines are wrapped.
    _, *parts = re.split(r"\n\n((?:[^\n-][^\n]*\n)+)-+\n(?:-+\n)?\n", result.stdout.partition("Broken contracts")[2])
    return {" ".join(name.split()): " ".join(found.split()) for name, found in zip(*[iter(parts)] * 2, strict=True)}


@pytest.mark.parametrize(("module", "imported", "contract"), BREACHES)
def test_a_planted_breach_is_found(report: Mapping[str, str], module: str, imported: str, contract: str) -> None:
    (found,) = [text for name, text in report.items() if name.startswith(contract)]
    if contract == CIRCLES:
        assert f"- .{Path(module).stem} -> .{imported.split('.')[1]} (1 import)" in found
    else:
        importer = ".".join(Path(module).with_suffix("").parts[-3 if module.startswith("services") else -2 :])
        assert f"- {importer} -> {imported} (l." in found


def test_every_contract_has_a_breach() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert all(any(each["name"].startswith(planted) for _, _, planted in BREACHES) for each in contracts)
