"""A checkout whose compiled modules are of other sources than those that are there, as after a pull."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from order_platform.command_line.errors import ExitCode
from scripts.install import COMPILED_SOURCES, compiled_module, modules_are_compiled

pytestmark = pytest.mark.skipif(not modules_are_compiled(), reason="there was no C compiler")

STARTING = "import fraud_detector.app, order_api.app"


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """The packages with compiled modules, which go before those of the checkout."""
    for package in ("order_contract", "order_platform", "decision_engine"):
        (source,) = Path(__file__).parents[2].glob(f"packages/*/{package}")
        shutil.copytree(source, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(packages: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(packages), "ORDERWATCH_DETECTOR_PORT": "none"}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_modules_of_the_sources_that_are_there_are_used(packages: Path) -> None:
    copied = "from order_contract.decoding import plain_orders; print(plain_orders.__file__)"
    done = run(packages, "-c", f"{STARTING}; {copied}")
    assert (done.returncode, done.stderr) == (0, "")
    assert Path(done.stdout.strip()).parent == packages / "order_contract" / "decoding"


def test_an_image_has_no_sources(packages: Path) -> None:
    for source in packages.rglob("*.pyx"):
        source.unlink()
    done = run(packages, "-c", STARTING)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("source", COMPILED_SOURCES, ids=lambda source: source.stem)
def test_a_module_of_another_source_is_not_used(packages: Path, source: Path) -> None:
    (changed,) = packages.rglob(source.name)
    with changed.open("a") as file:
        file.write("# changed\n")
    module = ".".join(changed.relative_to(packages).with_suffix("").parts)
    assert compiled_module(changed).exists()
    done = run(packages, "-m", "fraud_detector", "run")
    assert done.returncode == ExitCode.UNAVAILABLE
    assert done.stderr == (
        f"fraud-detector: the installation is incomplete: {module} was compiled of another source than {changed}\n"
        "Run `make up` or `make install` again; PYTHONPATH is not used.\n"
    )


def test_a_command_that_imports_it_when_it_is_called_says_so_too(packages: Path) -> None:
    with (packages / "decision_engine" / "history" / "kernel.pyx").open("a") as file:
        file.write("# changed\n")
    done = run(packages, "-m", "order_api", "serve")
    assert done.returncode == ExitCode.UNAVAILABLE
    assert "kernel was compiled of another source" in done.stderr
    assert "make install" in done.stderr
