"""Version of the code that the services run, as a hash of its files: another one makes `up` restart them."""

import hashlib
import importlib.util
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

PACKAGES: Final = (
    "order_contract",
    "order_platform",
    "decision_engine",
    "dead_letters",
    "order_lists",
    "order_backtests",
    "marketplace_simulator",
    "order_producer",
    "fraud_detector",
    "order_api",
    "order_workbench",
)
"""What runs in the processes of the services, migrations, templates and bundled scripts included."""
INSTALLED: Final = Path(sys.prefix) / "installed.json"
"""What scripts/install.py writes beside the libraries that it installed."""


def code_version(folders: Iterable[Path] | None = None, installed: Path = INSTALLED) -> str:
    """16 hexadecimal digits, which depend on the content of all files of the packages, and on the libraries."""
    digest = hashlib.blake2b(digest_size=8)
    for folder in _package_folders() if folders is None else folders:
        for path in _source_files(folder):
            content = path.read_bytes()
            digest.update(f"{folder.name}/{path.relative_to(folder)}\0{len(content)}\0".encode())
            digest.update(content)
    if installed.exists():
        digest.update(str(json.loads(installed.read_text()).get("inputs")).encode())
    return digest.hexdigest()


def _package_folders() -> Iterator[Path]:
    """Without importing them."""
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        assert spec is not None, f"{package} is installed with this package"
        assert spec.origin is not None, f"{package} is a package with a module of its own"
        yield Path(spec.origin).parent


def _source_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
