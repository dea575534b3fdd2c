"""Which system is asked: the environment's or this checkout's, never a mixture of the two."""

from pathlib import Path

import pytest

from order_platform.command_line.errors import SettingsError, UnavailableError
from order_platform.env_file import format_env_file
from orderwatch.api_client import ApiClient
from orderwatch.connections import database_settings, kafka_settings

WRITTEN = {
    "ORDERWATCH_API_URL": "http://127.0.0.1:8000",
    "ORDERWATCH_API_KEY": "ow_here",
    "ORDERWATCH_KAFKA": "127.0.0.1:19092",
    "ORDERWATCH_DATABASE_URL": 'postgresql://orderwatch:it\'s "here"@127.0.0.1:5433/orderwatch',
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout in which nothing runs."""
    monkeypatch.setenv("ORDERWATCH_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def up(home: Path) -> None:
    """A checkout whose system is up."""
    (home / "env").write_text(format_env_file(WRITTEN))


@pytest.mark.usefixtures("home")
def test_without_any_each_says_which_setting_is_missing_and_what_to_do() -> None:
    for ask, setting in (
        (kafka_settings, "ORDERWATCH_KAFKA"),
        (database_settings, "ORDERWATCH_DATABASE_URL"),
        (ApiClient.from_environment, "ORDERWATCH_API_URL"),
    ):
        with pytest.raises(UnavailableError, match=f"{setting} is not set") as caught:
            ask()
        assert "make up" in caught.value.advice
        assert setting in caught.value.advice


@pytest.mark.usefixtures("up")
def test_the_system_of_this_checkout_is_found() -> None:
    assert kafka_settings().kafka == WRITTEN["ORDERWATCH_KAFKA"]
    assert database_settings().database_url.get_secret_value() == WRITTEN["ORDERWATCH_DATABASE_URL"]
    with ApiClient.from_environment() as api:
        assert api.url == WRITTEN["ORDERWATCH_API_URL"]
        assert api.http.headers["Authorization"] == "Bearer ow_here"


@pytest.mark.usefixtures("up")
def test_what_belongs_to_the_system_can_be_given_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERWATCH_API_KEY", "ow_mine")
    monkeypatch.setenv("ORDERWATCH_KAFKA", WRITTEN["ORDERWATCH_KAFKA"])
    monkeypatch.setenv("ORDERWATCH_DATABASE_URL", "postgresql://reader:secret@127.0.0.1:5433/orderwatch")
    with ApiClient.from_environment() as api:
        assert api.url == WRITTEN["ORDERWATCH_API_URL"]
        assert api.http.headers["Authorization"] == "Bearer ow_mine"


@pytest.mark.usefixtures("up")
def test_no_key_goes_elsewhere_and_no_two_systems_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERWATCH_API_URL", "https://orderwatch.example")
    with pytest.raises(UnavailableError, match="ORDERWATCH_API_KEY is not set") as caught:
        ApiClient.from_environment()
    assert "ORDERWATCH_API_URL" in caught.value.advice
    with pytest.raises(UnavailableError, match="ORDERWATCH_KAFKA is not set"):
        kafka_settings()
    monkeypatch.setenv("ORDERWATCH_KAFKA", "broker.example:9092")
    assert kafka_settings().kafka == "broker.example:9092"
    with pytest.raises(UnavailableError, match="ORDERWATCH_DATABASE_URL is not set"):
        database_settings()


@pytest.mark.usefixtures("home")
def test_secrets_come_from_files_and_further_settings_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ORDERWATCH_API_KEY", "ORDERWATCH_DATABASE_URL"):
        (tmp_path / name).write_text(WRITTEN[name] + "\n")
        monkeypatch.setenv(f"{name}_FILE", str(tmp_path / name))
    monkeypatch.setenv("ORDERWATCH_API_URL", "https://orderwatch.example/")
    monkeypatch.setenv("ORDERWATCH_KAFKA", "broker.example:9092")
    monkeypatch.setenv("ORDERWATCH_ORDERS_TOPIC", "orders-eu")
    assert database_settings().database_url.get_secret_value() == WRITTEN["ORDERWATCH_DATABASE_URL"]
    assert kafka_settings().orders_topic == "orders-eu"
    with ApiClient.from_environment() as api:
        assert api.url == "https://orderwatch.example"
        assert api.http.headers["Authorization"] == "Bearer ow_here"


def test_an_invalid_url_is_refused() -> None:
    for url in (
        "127.0.0.1:8000",
        "ftp://here",
        "http://",
        "http://[::1",
        "http://host:99999",
        "http://host:0",
        "http://a b\x00",
    ):
        with pytest.raises(SettingsError, match="ORDERWATCH_API_URL"):
            ApiClient(url, "ow_key")


def test_a_password_in_the_url_is_refused_and_not_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        ApiClient("http://ana:hunter2@host:8000", "ow_key")
    assert "ORDERWATCH_API_URL" in str(caught.value)
    assert "hunter2" not in f"{caught.value}{caught.value.advice}"


@pytest.mark.parametrize(
    ("stray", "named"),
    [("\n", "a line break"), ("\r", "a line break"), (" ", "a space"), ('"', "a quotation mark"),
     ("\u00e9", "not a letter"), ("\x07", "not a letter"), ("\ufeff", "a byte order mark")],
)  # fmt: skip
def test_a_key_with_stray_characters_is_refused_and_not_shown(stray: str, named: str) -> None:
    for key in (f"ow_hunter2{stray}", f"{stray}ow_hunter2", f"ow_hun{stray}ter2"):
        with pytest.raises(SettingsError, match=named) as caught:
            ApiClient("http://127.0.0.1:8000", key)
        assert "ORDERWATCH_API_KEY" in str(caught.value)
        assert "hun" not in f"{caught.value}{caught.value.advice}"
