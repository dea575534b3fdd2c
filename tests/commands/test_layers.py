"""The contracts on imports hold, and a planted breach of each breaks the check."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("packages", "services", "cli", "devstack")
CONTRACT, API = "packages/order-contract/order_contract", "services/api/order_api"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The workspace's code and its contracts."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("tests", "__pycache__"))
    return tmp_path


def lint(copy: Path) -> subprocess.CompletedProcess[str]:
    """Check the copy's contracts on the copy's code."""
    paths = [str(path.parent) for folder in FOLDERS for path in copy.glob(f"{folder}/**/pyproject.toml")]
    program = f"import sys; sys.path[:0] = {paths!r}; from importlinter.cli import lint_imports_command as lint; lint()"
    command = [sys.executable, "-c", program, "--no-logo", "--no-cache"]
    return subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        (f"{CONTRACT}/money.py", "import fraud_detector.app", "Dependencies point downwards"),
        (f"{CONTRACT}/money.py", "import time", "The contract and the engine are pure"),
        (f"{API}/http/compression.py", "import order_api.orders.filters", "The API's layers"),
        (f"{API}/orders/filters.py", "import order_api.marts.schemas", "The API's features use each other nowhere"),
        (f"{API}/kit/etag.py", "import order_api.kit.pagination\nimport order_api.auth.keys", "The API's layers"),
        (f"{CONTRACT}/money.py", "import order_contract.decoding.decoder", "No package imports in a circle"),
        ("cli/orderwatch/connections.py", "import devstack.ports", "Dependencies point downwards"),
    ],
)
def test_a_planted_breach_is_found(copy: Path, module: str, line: str, broken: str) -> None:
    path = copy / module
    path.write_text(f"{path.read_text()}\n{line}\n")
    result = lint(copy)
    assert result.returncode == 1, result.stdout
    report = " ".join(result.stdout.split())
    assert any(broken in part.rpartition("KEPT")[2] for part in report.split("BROKEN")[:-1]), report
