"""Whether the containers can be started here. ORDERWATCH_TEST_CONTAINERS: auto (where it costs no download), always."""

import os
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE_FILE = ROOT / "deploy" / "compose.yaml"
DOCKERFILE = ROOT / "deploy" / "Dockerfile"


def services() -> dict[str, dict[str, Any]]:
    """The services as the file has them, variables and all."""
    found: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE_FILE.read_text())["services"]
    return found


def upstream_images() -> list[str]:
    """Images that others make: of services, and the one that ours is built on."""
    named = [service["image"] for service in services().values() if "image" in service and "build" not in service]
    return [*named, *re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)]


@cache
def missing() -> str | None:
    """Why they cannot be started; None when they can."""
    mode = os.environ.get("ORDERWATCH_TEST_CONTAINERS", "auto")
    assert mode in {"auto", "always"}, f"ORDERWATCH_TEST_CONTAINERS is auto or always, not {mode!r}"
    if mode == "always":
        return None
    if not _works("docker", "compose", "version"):
        return "there is no docker compose"
    if not _works("docker", "info"):
        return "no Docker engine answers"
    absent = [image for image in upstream_images() if not _works("docker", "image", "inspect", image)]
    if absent:
        return f"not on this machine: {', '.join(absent)}; ORDERWATCH_TEST_CONTAINERS=always fetches them"
    return None


def _works(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
