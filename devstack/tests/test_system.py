"""The embedded system's settings, files and folders."""

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from devstack.credentials import Credentials
from devstack.kafka import KafkaRuntime
from devstack.paths import ROOT, SystemPaths
from devstack.settings import EmbeddedSettings
from devstack.status import running_state
from devstack.supervisor import Supervisor
from devstack.system import System
from order_platform.command_line.errors import CommandError
from order_platform.env_file import read_env_file
from order_platform.postgres.roles import DatabaseRole


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORDERWATCH_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Supervisor, "pid", lambda _self: 1)


def test_the_env_file_is_private_and_can_be_sourced(home: Path) -> None:
    system = System(EmbeddedSettings())
    passwords = {role.value: f"pass word {number}" for number, role in enumerate(DatabaseRole)}
    system.credentials = Credentials("superuser", passwords, api_key="ow_key", admin_key="ow_admin_key")
    system.save()
    paths = SystemPaths(home)
    for file in home.rglob("*"):
        assert stat.S_IMODE(file.stat().st_mode) == (0o700 if file.is_dir() else 0o600), file
    assert read_env_file(paths.env) == {
        "ORDERWATCH_API_URL": "http://127.0.0.1:8000",
        "ORDERWATCH_API_KEY": "ow_key",
        "ORDERWATCH_HOME": str(home),
        "ORDERWATCH_KAFKA": "127.0.0.1:19092",
        "ORDERWATCH_DATABASE_URL": database_url(DatabaseRole.READER),
        "ORDERWATCH_WAREHOUSE_PATH": str(home / "warehouse.duckdb"),
        "ORDERWATCH_STAGING": str(home / "staging"),
        "ORDERWATCH_DBT_PROJECT": str(ROOT / "dbt"),
    }
    assert read_env_file(paths.admin_env) == {
        **read_env_file(paths.env),
        "ORDERWATCH_API_KEY": "ow_admin_key",
        "ORDERWATCH_DATABASE_URL": database_url(DatabaseRole.OPERATOR),
    }


def test_a_process_knows_its_own_password_and_no_other(home: Path) -> None:
    system = System(EmbeddedSettings())
    system.save()
    paths = SystemPaths(home)
    passwords = system.credentials.role_passwords
    known = {
        paths.process_env("detector"): DatabaseRole.DETECTOR,
        paths.process_env("api"): DatabaseRole.API,
        paths.process_env("batch"): DatabaseRole.BATCH,
        paths.migrate_env: DatabaseRole.MIGRATOR,
    }
    for file, role in known.items():
        text = file.read_text()
        assert [each for each in passwords if passwords[each] in text] == [role]
        assert "ORDERWATCH_API_KEY" not in text
    assert read_env_file(paths.process_env("producer")).keys() == {"ORDERWATCH_KAFKA"}
    airflow = paths.airflow_env.read_text()
    assert {each for each in passwords if passwords[each] in airflow} == {DatabaseRole.BATCH, DatabaseRole.AIRFLOW}
    for file in (path for path in home.rglob("*") if path.is_file() and path != paths.credentials):
        assert system.credentials.postgres_password not in file.read_text(), "the superuser's"


def test_the_one_key_of_an_earlier_release_is_the_administrators(home: Path) -> None:
    kept = {"postgres_password": "p", "api_key_id": "1", "api_key": "ow_1", "airflow_password": "a", "later": "x"}
    (home / "credentials.json").write_text(json.dumps(kept))
    credentials = Credentials.load(home / "credentials.json")
    assert (credentials.api_key, credentials.admin_key_id, credentials.admin_key) == (None, "1", "ow_1")
    assert credentials.postgres_password == "p"
    assert credentials.role_passwords.keys() == set(DatabaseRole)
    credentials.save(home / "credentials.json")
    assert Credentials.load(home / "credentials.json") == credentials


def test_what_was_open_to_others_is_closed_at_the_start(home: Path) -> None:
    paths = SystemPaths(home)
    (paths.staging / "orders").mkdir(parents=True)
    for path in (paths.warehouse, paths.staging / "orders" / "0000.parquet", paths.postgres, home / "not ours"):
        path.touch()
        path.chmod(0o644)
    (paths.logs).symlink_to(home / "not ours")
    paths.make_private()
    assert stat.S_IMODE(paths.warehouse.stat().st_mode) == 0o600
    assert stat.S_IMODE((paths.staging / "orders" / "0000.parquet").stat().st_mode) == 0o600
    assert stat.S_IMODE((paths.staging / "orders").stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "not ours").stat().st_mode) == 0o644


def database_url(role: DatabaseRole) -> str:
    number = list(DatabaseRole).index(role)
    return f"postgresql://{role}:pass word {number}@127.0.0.1:5433/orderwatch"


def test_passwords_are_kept_between_runs_and_are_no_arguments(home: Path) -> None:
    first = System(EmbeddedSettings())
    first.save()
    password = System(EmbeddedSettings()).credentials.postgres_password
    assert password == first.credentials.postgres_password
    programs = first.process_specs(KafkaRuntime(home))
    assert password not in str(programs)
    assert not any(each in str(programs) for each in first.credentials.role_passwords.values())
    assert first.credentials.airflow_password not in str(programs)


@pytest.mark.usefixtures("running")
def test_a_running_system_keeps_its_ports_unless_asked_otherwise(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = System(EmbeddedSettings(api_port=9000, kafka_port=9092))
    started.save()
    monkeypatch.setenv("ORDERWATCH_KAFKA_PORT", "9999")
    assert System(EmbeddedSettings()).settings.api_port == 9000
    assert System(EmbeddedSettings()).settings.kafka_port == 9999
    assert System(EmbeddedSettings()).paths == SystemPaths(home)


@pytest.mark.usefixtures("running")
def test_port_0_becomes_a_free_port_that_every_file_names_and_that_stays(home: Path) -> None:
    asked = EmbeddedSettings(api_port=0, kafka_port=0, postgres_port=0, detector_port=0)
    system = System(asked)
    system.credentials = replace(system.credentials, api_key="ow_key")
    system.choose_ports()
    system.save()
    ports = system.settings.ports()
    assert all(ports.values())
    assert len(set(ports.values())) == len(ports)
    written = read_env_file(SystemPaths(home).env)
    assert written["ORDERWATCH_API_URL"] == f"http://127.0.0.1:{ports['api_port']}"
    assert written["ORDERWATCH_KAFKA"] == f"127.0.0.1:{ports['kafka_port']}"
    assert f":{ports['postgres_port']}/" in written["ORDERWATCH_DATABASE_URL"]
    assert System(asked).settings.ports() == ports


def test_a_home_of_its_own_is_in_the_env_file_the_default_one_is_not(tmp_path: Path) -> None:
    system = System(EmbeddedSettings(home=tmp_path), default_home=tmp_path)
    system.credentials = replace(system.credentials, api_key="ow_key")
    system.save()
    assert "ORDERWATCH_HOME" not in read_env_file(system.paths.env)


def test_the_producer_and_more_detectors_are_settings(home: Path) -> None:
    settings = EmbeddedSettings(producer_rate=0, detectors=3, batch=False)
    programs = {program.name: program for program in System(settings).process_specs(KafkaRuntime(home))}
    assert list(programs) == ["postgres", "kafka", "detector", "detector-2", "detector-3", "api"]
    assert [programs[name].port for name in ("detector", "detector-2", "detector-3")] == [8001, 0, 0]


def test_airflow_is_a_setting_and_not_waited_for(home: Path) -> None:
    programs = System(EmbeddedSettings(airflow_port=8088)).process_specs(KafkaRuntime(home))
    airflow = {program.name: program for program in programs if program.name.startswith("airflow-")}
    assert list(airflow) == [
        "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer", "airflow-api-server",
    ]  # fmt: skip
    assert airflow["airflow-api-server"].port == 8088
    assert {program.name for program in programs if not program.waited_for} == airflow.keys()
    assert all(program.stage > max(each.stage for each in programs if each.waited_for) for program in airflow.values())


@pytest.mark.usefixtures("home")
def test_two_commands_cannot_change_the_system_at_once() -> None:
    with (
        System.open_for_change(EmbeddedSettings()),
        pytest.raises(CommandError, match="another command"),
        System.open_for_change(EmbeddedSettings()),
    ):
        pass


def test_a_runtime_folder_that_others_may_enter_is_refused(home: Path) -> None:
    paths = SystemPaths(home)
    paths.make_runtime()
    paths.runtime.chmod(0o755)
    with pytest.raises(CommandError, match="belongs to another user"):
        paths.make_runtime()
    paths.runtime.rmdir()


def test_without_a_writable_cache_there_is_one_at_home(home: Path) -> None:
    (home / "file").touch()
    assert EmbeddedSettings(cache=home / "file" / "cache").writable_cache() == home / "cache"


@pytest.mark.parametrize(
    ("uptime", "problem", "state"),
    [
        (3.0, None, "running"),
        (3.0, "does not answer", "starting"),
        (300.0, "does not answer", "not ready"),
        (300.0, None, "running"),
    ],
)
def test_what_is_not_ready_yet_is_starting(uptime: float, problem: str | None, state: str) -> None:
    assert running_state(uptime, problem) == state
