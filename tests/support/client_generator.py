"""A generator of typed Python clients, in an environment of its own: what it needs clashes with what we need."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from devstack.settings import EmbeddedSettings
from scripts.install import settings_from_pip

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "locks" / "client-generator.txt"
UV = ROOT / ".venv" / "uv" / "bin" / "uv"


def environment() -> Path:
    """The interpreter of the environment, which is made when it is first asked for, and kept in the cache folder."""
    name = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = EmbeddedSettings().writable_cache() / f"client-generator-{name}"
    done = folder / "installed"
    python = folder / "bin" / "python"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _run(str(UV), "venv", "--quiet", f"--python={sys.executable}", str(folder))
        _run(str(UV), "pip", "sync", "--quiet", "--require-hashes", f"--python={python}", str(LOCK))
        done.touch()
    return python


def checker_cache() -> Path:
    """Where mypy keeps what it knows of the generated client and of its libraries: it compares their contents."""
    return EmbeddedSettings().writable_cache() / "client-checker"


def generate(document: dict[str, Any], folder: Path, package: str) -> None:
    """Write a client for an OpenAPI document to `folder`, as `package`. What the generator warns of is an error."""
    description, settings = folder / "openapi.json", folder / "settings.json"
    description.write_text(json.dumps(document))
    # It is not read by people, so it need not be formatted.
    settings.write_text(json.dumps({"post_hooks": [], "package_name_override": package}))
    _run(
        str(environment().with_name("openapi-python-client")), "generate", "--meta=none", "--fail-on-warning",
        f"--path={description}", f"--config={settings}", f"--output-path={folder / package}",
    )  # fmt: skip


def _run(*command: str) -> None:
    variables = {**settings_from_pip(), **os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
