"""The version of the services' code: it changes with each file, and with the libraries."""

from pathlib import Path

import pytest

from devstack.code_version import code_version
from devstack.kafka import KafkaRuntime
from devstack.settings import EmbeddedSettings
from devstack.system import System


def test_it_changes_with_code_and_libraries_alone(tmp_path: Path) -> None:
    package, installed = tmp_path / "package", tmp_path / "installed.json"
    (package / "migrations").mkdir(parents=True)
    (package / "module.py").write_text("a = 1\n")
    versions = [code_version([package], installed)]
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "module.pyc").write_text("compiled")
    assert code_version([package], installed) == versions[0]
    (package / "module.py").write_text("a = 2\n")
    versions.append(code_version([package], installed))
    (package / "migrations" / "0002_more.py").write_text("")
    versions.append(code_version([package], installed))
    installed.write_text('{"inputs": "other locks"}')
    versions.append(code_version([package], installed))
    assert len(set(versions)) == len(versions)


def test_another_version_changes_what_the_supervisor_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERWATCH_HOME", str(tmp_path))

    def environments() -> dict[str, object]:
        return {
            each.name: each.environment for each in System(EmbeddedSettings()).process_specs(KafkaRuntime(tmp_path))
        }

    before = environments()
    assert environments() == before
    monkeypatch.setattr("devstack.process_specs.code_version", lambda: "another")
    after = environments()
    assert {name for name in before if after[name] != before[name]} == {"detector", "api", "producer"}
