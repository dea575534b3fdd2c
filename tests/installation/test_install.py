"""The installer, as far as it can be tried without installing anything."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import install


@pytest.fixture
def no_installing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Records the steps instead of taking them."""
    steps: list[str] = []
    monkeypatch.setattr(install, "create_venv", lambda *, fresh: steps.append(f"venv fresh={fresh}"))
    monkeypatch.setattr(install, "install_uv", lambda: steps.append("uv"))
    monkeypatch.setattr(install, "install_packages", lambda lock: steps.append(lock.name))
    monkeypatch.setattr(subprocess, "run", lambda *_args, **_kwargs: subprocess.CompletedProcess([], 0))
    return steps


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation of its own, made with this Python."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    for name, value in {"VENV": tmp_path, "PYTHON": tmp_path / "bin" / "python", "STAMP": tmp_path / "stamp"}.items():
        monkeypatch.setattr(install, name, value)
    monkeypatch.setattr(sys, "argv", ["install.py"])
    return tmp_path


def test_the_second_time_there_is_nothing_to_do(no_installing: list[str]) -> None:
    install.main()
    assert no_installing == ["venv fresh=False", "uv", "embedded.txt"]
    install.main()
    assert len(no_installing) == 3


def test_a_development_environment_stays_one(no_installing: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    install.main()
    monkeypatch.setattr(sys, "argv", ["install.py", "--dev"])
    install.main()
    monkeypatch.setattr(sys, "argv", ["install.py"])
    install.main()
    assert [step for step in no_installing if step.endswith("txt")] == ["embedded.txt", "dev.txt"]


def test_a_changed_lock_is_installed(no_installing: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    install.main()
    monkeypatch.setattr(install, "digest", lambda _dev: "another")
    install.main()
    assert no_installing.count("embedded.txt") == 2


def test_an_environment_that_was_copied_from_elsewhere_is_made_anew(no_installing: list[str]) -> None:
    install.STAMP.write_text(json.dumps({"dev": False, "root": "/elsewhere", "inputs": ""}))
    install.main()
    assert no_installing[0] == "venv fresh=True"


def test_what_was_interrupted_is_done_again(no_installing: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_lock: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(install, "install_packages", interrupted)
        with pytest.raises(KeyboardInterrupt):
            install.main()
    install.main()
    assert no_installing[-1] == "embedded.txt"


def test_a_python_without_venv_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
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
