"""The commands as processes, and what must hold of each whatever surrounds it."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from devstack.paths import ROOT
from order_platform.command_line.errors import ExitCode

BIN = ROOT / ".venv" / "bin"
BATCH_BIN = ROOT / "airflow" / ".venv" / "bin"
PROGRAMS = {
    "orderwatch": BIN / "orderwatch",
    "devstack": BIN / "devstack",
    "fraud-detector": BIN / "fraud-detector",
    "order-api": BIN / "order-api",
    "order-producer": BIN / "order-producer",
    "order-batch": BATCH_BIN / "order-batch",
}
NOWHERE = {
    "ORDERWATCH_DATABASE_URL": "postgresql://unknown:hunter2@127.0.0.1:1/none",
    "ORDERWATCH_KAFKA": "127.0.0.1:1",
}
RULES = str(ROOT / "packages" / "decision-engine" / "decision_engine" / "default.yaml")
# One that works without a system, and one that finds that there is none.
WORKING: Mapping[str, Sequence[str]] = {
    "orderwatch": ("status",),
    "devstack": ("status",),
    "fraud-detector": ("rules", "lint", RULES),
    "order-api": ("keys", "create", "--help"),
    "order-producer": ("generate", "--start", "2026-11-01", "--count", "3", "--to-stdout"),
    "order-batch": ("run", "--help"),
}
ASKING: Mapping[str, Sequence[str]] = {
    "orderwatch": ("reconcile",),
    "devstack": ("logs",),
    "fraud-detector": ("dead-letters", "list"),
    "order-api": ("keys", "list"),
    "order-producer": ("replay", "/nonexistent/file"),
    "order-batch": ("marts",),
}
KNOWN_CODES = {*map(int, ExitCode), 128 + 1, 128 + 15}


def run(
    name: str,
    *arguments: str,
    home: Path,
    shell: str = "",
    environment: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
) -> "subprocess.CompletedProcess[str]":
    """Run a command; `shell` is what follows it on a shell's line, such as `>/dev/full`."""
    variables = {**os.environ, "ORDERWATCH_HOME": str(home), **NOWHERE, **(environment or {})}
    line = f'exec 3>&1; {{ "$@"; echo "code $?" >&3; }} {shell}' if shell.startswith("|") else f'"$@" {shell}'
    command = ["bash", "-c", line, "-", str(PROGRAMS[name]), *arguments] if shell else [str(PROGRAMS[name]), *arguments]
    done = subprocess.run(
        command, env=variables, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
        timeout=120, check=False,
    )  # fmt: skip
    assert_civil(done)
    return done


def assert_civil(done: "subprocess.CompletedProcess[str]") -> None:
    """No traceback, no secret, and an exit code that means something."""
    said = done.stdout + done.stderr
    assert "Traceback" not in said, said
    assert "Exception ignored" not in said, said
    assert "hunter2" not in said, said
    assert done.returncode in KNOWN_CODES, said
    assert done.returncode != ExitCode.BUG, said
