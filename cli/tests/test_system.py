"""The embedded system's settings, files and folders."""

import stat
from pathlib import Path

import pytest

from orderwatch.embedded.credentials import Credentials
from orderwatch.embedded.kafka_runtime import KafkaRuntime
from orderwatch.embedded.launch import read_environment
from orderwatch.embedded.layout import Layout
from orderwatch.embedded.report import running_state
from orderwatch.embedded.supervisor import Supervisor
from orderwatch.embedded.system import System
from orderwatch.errors import OrderwatchError
from orderwatch.project import ROOT
from orderwatch.settings import EmbeddedSettings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORDERWATCH_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Supervisor, "pid", lambda _self: 1)


def test_the_env_file_is_private_and_can_be_sourced(home: Path) -> None:
    system = System(EmbeddedSettings())
    system.credentials = Credentials("pass word", "id", "ow_key")
    system.save()
    layout = Layout(home)
    for file in (layout.env, layout.services_env, layout.airflow_env, layout.credentials):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_environment(layout.env) == {
        "ORDERWATCH_API_URL": "http://127.0.0.1:8000",
        "ORDERWATCH_API_KEY": "ow_key",
        "ORDERWATCH_KAFKA": "127.0.0.1:19092",
        "ORDERWATCH_DATABASE_URL": "postgresql://orderwatch:pass word@127.0.0.1:5433/orderwatch",
        "ORDERWATCH_WAREHOUSE_PATH": str(home / "warehouse.duckdb"),
        "ORDERWATCH_STAGING": str(home / "staging"),
        "ORDERWATCH_DBT_PROJECT": str(ROOT / "dbt"),
    }
    assert "ORDERWATCH_API_KEY" not in read_environment(layout.services_env)


def test_passwords_are_kept_between_runs_and_are_no_arguments(home: Path) -> None:
    first = System(EmbeddedSettings())
    first.save()
    password = System(EmbeddedSettings()).credentials.postgres_password
    assert password == first.credentials.postgres_password
    programs = first.programs(KafkaRuntime(home))
    assert password not in str(programs)
    assert first.credentials.airflow_password not in str(programs)


@pytest.mark.usefixtures("running")
def test_a_running_system_keeps_its_ports_unless_asked_otherwise(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = System(EmbeddedSettings(api_port=9000, kafka_port=9092))
    started.save()
    monkeypatch.setenv("ORDERWATCH_KAFKA_PORT", "9999")
    assert System(EmbeddedSettings()).settings.api_port == 9000
    assert System(EmbeddedSettings()).settings.kafka_port == 9999
    assert System(EmbeddedSettings()).layout == Layout(home)


def test_the_producer_and_more_detectors_are_settings(home: Path) -> None:
    settings = EmbeddedSettings(producer_rate=0, detectors=3, batch=False)
    programs = {program.name: program for program in System(settings).programs(KafkaRuntime(home))}
    assert list(programs) == ["postgres", "kafka", "detector", "detector-2", "detector-3", "api"]
    assert [programs[name].port for name in ("detector", "detector-2", "detector-3")] == [8001, 0, 0]


def test_airflow_is_a_setting_and_not_waited_for(home: Path) -> None:
    programs = System(EmbeddedSettings(airflow_port=8088)).programs(KafkaRuntime(home))
    airflow = {program.name: program for program in programs if program.name.startswith("airflow-")}
    assert list(airflow) == ["airflow-scheduler", "airflow-dag-processor", "airflow-api-server"]
    assert airflow["airflow-api-server"].port == 8088
    assert {program.name for program in programs if not program.waited_for} == airflow.keys()
    assert all(program.stage > max(each.stage for each in programs if each.waited_for) for program in airflow.values())


@pytest.mark.usefixtures("home")
def test_two_commands_cannot_change_the_system_at_once() -> None:
    with (
        System.to_change(EmbeddedSettings()),
        pytest.raises(OrderwatchError, match="another command"),
        System.to_change(EmbeddedSettings()),
    ):
        pass


def test_a_runtime_folder_that_others_may_enter_is_refused(home: Path) -> None:
    layout = Layout(home)
    layout.make_runtime()
    layout.runtime.chmod(0o755)
    with pytest.raises(OrderwatchError, match="belongs to somebody else"):
        layout.make_runtime()
    layout.runtime.rmdir()


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
