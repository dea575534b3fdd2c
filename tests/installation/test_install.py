"""The installer, as far as it can be tried without installing anything."""

import importlib.util
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from scripts import install


@pytest.fixture
def no_installing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Records the steps instead of taking them."""
    steps: list[str] = []

    def make_venv(environment: install.Environment) -> None:
        environment.python.parent.mkdir(parents=True, exist_ok=True)
        environment.python.touch()
        steps.append("venv")

    monkeypatch.setattr(install, "make_venv", make_venv)
    monkeypatch.setattr(install, "run", lambda *_args, **_options: True)
    monkeypatch.setattr(install, "install_uv", lambda: steps.append("uv"))
    monkeypatch.setattr(install, "install_packages", lambda environment: steps.append(environment.lock.name))
    monkeypatch.setattr(install, "bundle_pages", lambda _environment: None)
    monkeypatch.setattr(install, "pages_are_bundled", lambda: True)
    monkeypatch.setattr(install, "compile_modules", lambda _environment: None)
    monkeypatch.setattr(install, "compiling_was_tried", lambda: True)
    monkeypatch.setattr(subprocess, "run", lambda *_args, **_kwargs: subprocess.CompletedProcess([], 0))
    return steps


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of its own, with a virtual environment made by this Python."""
    for name in ("locks", "dbt", *install.PROJECTS["airflow"]):
        (tmp_path / name).mkdir(parents=True)
    for name in (
        "locks/uv.txt",
        "locks/kafka.txt",
        "locks/embedded.txt",
        "locks/dev.txt",
        "airflow/lock.txt",
        "dbt/lock.txt",
    ):
        (tmp_path / name).touch()
    for package in install.PROJECTS["airflow"]:
        (tmp_path / package / "pyproject.toml").touch()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    python = tmp_path / ".venv" / "bin" / "python"
    python.touch()
    changes = {"ROOT": tmp_path, "VENV": tmp_path / ".venv", "PYTHON": python, "LOCKS": tmp_path / "locks"}
    changes["COMPILE_MODULES"] = tmp_path / "compile_modules.py"
    for name, value in {**changes, "PACKAGES": ("packages/order-contract",), "COMPILED_SOURCES": ()}.items():
        monkeypatch.setattr(install, name, value)
    monkeypatch.setattr(sys, "argv", ["install.py"])
    return tmp_path


def test_the_second_time_there_is_nothing_to_do(no_installing: list[str]) -> None:
    install.main()
    assert no_installing == ["venv", "uv", "embedded.txt"]
    install.main()
    assert len(no_installing) == 3


def test_a_development_environment_stays_one(no_installing: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    install.main()
    monkeypatch.setattr(sys, "argv", ["install.py", "--dev"])
    install.main()
    monkeypatch.setattr(sys, "argv", ["install.py"])
    install.main()
    assert [step for step in no_installing if step.endswith("txt")] == ["embedded.txt", "dev.txt"]


def test_a_changed_lock_is_installed(no_installing: list[str], root: Path) -> None:
    install.main()
    (root / "locks" / "embedded.txt").write_text("another==1.0\n")
    install.main()
    assert no_installing.count("embedded.txt") == 2
    assert no_installing.count("venv") == 1  # a complete environment is changed where it is


def test_an_environment_that_says_nothing_readable_of_itself_is_built_again(
    no_installing: list[str], root: Path
) -> None:
    for stamp in ("", "{", "[]", "null", '{"dev": false'):
        (root / ".venv" / "installed.json").write_text(stamp)
        no_installing.clear()
        install.main()
        assert no_installing == ["venv", "uv", "embedded.txt"]


@pytest.mark.parametrize("failing", [None, "node.txt", "npm-cli.js", "build.mjs"])
def test_pages_are_bundled_once_and_missing_ones_are_not_fatal(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], failing: str | None
) -> None:
    frontend, assets = root / "frontend", root / "assets"
    (frontend / "src").mkdir(parents=True)
    for path in (
        root / "locks" / "node.txt",
        *(frontend / name for name in ("package-lock.json", "build.mjs", "src/a.js")),
    ):
        path.touch()
    commands: list[str] = []

    def run(command: list[str], _environment: object = None, *, fatal: bool = True) -> bool:
        assert not fatal
        commands.append(" ".join(command))
        assets.mkdir(exist_ok=True)
        return failing is None or failing not in commands[-1]

    for name, value in {"FRONTEND": frontend, "ASSETS": assets, "run": run, "settings_from_pip": dict}.items():
        monkeypatch.setattr(install, name, value)
    for _ in range(2):
        install.bundle_pages(install.workspace("embedded"))
    assert install.pages_are_bundled() == (failing is None)
    said = capsys.readouterr().err
    if failing is None:
        assert len(commands) == 3
        (frontend / "src" / "a.js").write_text("changed")
        assert not install.pages_are_bundled()
    else:
        assert failing in commands[-1]
        assert "could not be bundled; everything else works" in said


@pytest.mark.parametrize("obstacle", [None, "no C compiler was found", "it could not be compiled"])
def test_modules_are_compiled_once_where_it_can_be(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], obstacle: str | None
) -> None:
    sources = (root / "kernel.pyx", root / "binary_rows.pyx")
    modules = [install.compiled_module(source) for source in sources]
    for path in (root / "locks" / "cython.txt", root / "compile_modules.py", *sources, modules[0]):
        path.touch()
    commands: list[str] = []

    def run(command: list[str], _environment: object = None, *, fatal: bool, seconds: float | None = None) -> bool:
        assert not fatal
        commands.append(command[-2])
        if seconds is None:
            return True
        assert command[-2:] == [str(source) for source in sources]
        assert not modules[0].exists(), "it was of another source"
        if obstacle is None:
            for module in modules:
                module.touch()
        return obstacle is None

    missing = obstacle if obstacle == "no C compiler was found" else None
    changes = {"COMPILED_SOURCES": sources, "run": run, "settings_from_pip": dict}
    for name, value in {**changes, "compiling_obstacle": lambda: missing}.items():
        monkeypatch.setattr(install, name, value)
    for _ in range(2):
        install.compile_modules(install.workspace("embedded"))
    assert len(commands) == (0 if missing else 2)
    said = capsys.readouterr().err
    assert said.count("decided by Python alone") == (obstacle is not None)
    assert (obstacle or "") in said
    monkeypatch.setattr(install, "run", lambda _command: True)
    install.make_venv(install.workspace("embedded"))
    assert install.compiling_was_tried() == (obstacle is None), (
        "one that was compiled serves another environment as well"
    )
    sources[1].write_text("changed")
    assert not install.compiling_was_tried()


def test_a_command_that_takes_too_long_fails() -> None:
    waiting = [sys.executable, "-c", "import time; time.sleep(60)"]
    assert not install.run(waiting, fatal=False, seconds=0.1)


def test_two_installations_take_turns(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    entered = threading.Event()

    def second() -> None:
        with install.one_at_a_time():
            entered.set()

    thread = threading.Thread(target=second)
    with install.one_at_a_time():
        thread.start()
        assert not entered.wait(0.3)
    thread.join(10)
    assert entered.is_set()
    assert "Another installation is at work in this folder" in capfd.readouterr().out


def test_an_environment_that_was_copied_from_elsewhere_is_made_again(no_installing: list[str], root: Path) -> None:
    (root / ".venv" / "installed.json").write_text(json.dumps({"dev": False, "root": "/elsewhere", "inputs": ""}))
    install.main()
    assert no_installing == ["venv", "uv", "embedded.txt"]


def test_a_project_gets_an_environment_of_its_own(
    no_installing: list[str], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["install.py", "--project", "dbt"])
    monkeypatch.setattr(install, "works", lambda python, **_options: python == root / ".venv" / "bin" / "python")
    install.main()
    assert no_installing == ["uv", "venv", "lock.txt"]
    assert (root / "dbt" / ".venv" / "bin" / "python").exists()
    install.main()
    assert len(no_installing) == 3
    (root / "dbt" / "lock.txt").write_text("another==1.0\n")
    install.main()
    assert len(no_installing) == 6


def test_a_project_on_its_own_gets_the_installer_first(
    no_installing: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["install.py", "--project", "airflow"])
    monkeypatch.setattr(install, "works", lambda _python, **_options: False)
    install.main()
    assert no_installing == ["venv", "uv", "venv", "lock.txt"]


def test_what_was_interrupted_is_done_again(
    no_installing: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_environment: install.Environment) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(install, "install_packages", interrupted)
        with pytest.raises(SystemExit) as ended:
            install.main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "The installation was interrupted; run it again to complete it.\n"
    assert no_installing == ["venv", "uv"]
    install.main()
    assert no_installing[2:] == ["venv", "uv", "embedded.txt"]  # from nothing, however far it had come


def test_a_python_without_venv_prints_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(SystemExit, match=r"sudo apt install python3\.\d+-venv"):
        install.require_venv()


def test_a_mirror_that_pip_knows_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    listing = (
        ":env:.cert='/etc/company.pem'\nglobal.index-url='https://mirror.example/simple'\n"
        "global.extra-index-url='\\nhttps://one.example\\nhttps://two.example'\nglobal.timeout='60'\n"
    )
    monkeypatch.setattr(subprocess, "run", lambda *_args, **_kwargs: subprocess.CompletedProcess([], 0, stdout=listing))
    assert install.settings_from_pip() == {
        "SSL_CERT_FILE": "/etc/company.pem",
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "UV_INDEX": "https://one.example https://two.example",
    }
