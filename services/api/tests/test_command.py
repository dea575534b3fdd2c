"""`order-api keys` and `order-api people`, as one types them."""

import json
from datetime import datetime

import pytest
from typer.testing import CliRunner

from order_api.cli import app
from order_platform.command_line.errors import SettingsError

runner = CliRunner()


@pytest.mark.integration
def test_the_life_of_a_key(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERWATCH_DATABASE_URL", database_url)
    made = runner.invoke(app, ["keys", "create", "--name", "Ana", "--role", "review"])
    assert made.exit_code == 0
    key = made.stdout.strip()  # nothing else is on standard output
    key_id = key.split("_")[1]
    assert key not in made.stderr
    listed = runner.invoke(app, ["keys", "list"]).stdout
    assert key_id in listed
    assert "review" in listed
    assert "never used" in listed
    assert "valid  Ana" in listed
    assert runner.invoke(app, ["keys", "revoke", key_id]).exit_code == 0
    assert "revoked" in runner.invoke(app, ["keys", "list"]).stdout
    again = runner.invoke(app, ["keys", "revoke", key_id])
    assert again.exit_code == 1
    assert "no valid key" in again.stderr
    bad = runner.invoke(app, ["keys", "create", "--name", "x" * 101, "--role", "read"])
    assert bad.exit_code == 1
    assert "a key's name has 1 to 100 characters" in bad.stderr


@pytest.mark.integration
def test_for_machines(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERWATCH_DATABASE_URL", database_url)
    made = json.loads(runner.invoke(app, ["keys", "create", "--name", "Ana", "--role", "review", "--json"]).stdout)
    assert made["key"].split("_")[1] == made["key_id"]
    revoked = runner.invoke(app, ["keys", "revoke", made["key_id"], "--json"])
    assert json.loads(revoked.stdout) == {"key_id": made["key_id"], "revoked": True}
    listed = runner.invoke(app, ["keys", "list", "--json"]).stdout
    assert made["key"] not in listed
    [entry] = json.loads(listed)
    assert (entry["key_id"], entry["name"], entry["role"]) == (made["key_id"], "Ana", "review")
    assert entry["last_used_at"] is None
    assert datetime.fromisoformat(entry["revoked_at"]) >= datetime.fromisoformat(entry["created_at"])


@pytest.mark.integration
def test_inviting_a_person(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERWATCH_DATABASE_URL", database_url)
    monkeypatch.setenv("ORDERWATCH_API_PORT", "8123")
    link = runner.invoke(app, ["people", "invite", "Dina", "--role", "review"]).stdout.strip()
    assert link.startswith("http://127.0.0.1:8123/workbench/sign-in?code=owc_")
    monkeypatch.setenv("ORDERWATCH_API_URL", "https://fraud.example/")
    made = json.loads(runner.invoke(app, ["people", "invite", "Dina", "--role", "admin", "--json"]).stdout)
    assert made["link"].startswith("https://fraud.example/workbench/sign-in?code=owc_")
    [entry] = json.loads(runner.invoke(app, ["keys", "list", "--json"]).stdout)
    assert (entry["key_id"], entry["name"], entry["role"], entry["kind"]) == (made["key_id"], "Dina", "admin", "person")
    refused = runner.invoke(app, ["people", "invite", "a\nb", "--role", "read"])
    assert refused.exit_code == 1
    assert "a person's name has 1 to 100 characters" in refused.stderr


def test_an_unavailable_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERWATCH_DATABASE_URL", "postgresql://stranger:secret@127.0.0.1:1/nothing")
    ended = runner.invoke(app, ["keys", "list"])
    assert ended.exit_code == 3
    assert "ORDERWATCH_DATABASE_URL" in ended.stderr
    assert "secret" not in ended.output


def test_settings_that_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERWATCH_API_PORT", "many")
    ended = runner.invoke(app, ["serve"])
    assert isinstance(ended.exception, SettingsError)
    assert "ORDERWATCH_API_PORT='many' is not a port" in str(ended.exception)
