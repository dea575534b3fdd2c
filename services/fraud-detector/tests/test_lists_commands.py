"""`fraud-detector lists`, on a real database: what people type and see."""

import json
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fraud_detector.cli import build_application
from order_platform.command_line.errors import CommandError, UnavailableError, UsageError
from tests.support.ports import free_port

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERWATCH_DATABASE_URL", database_url)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(build_application(), ["lists", *map(str, arguments)])


def test_an_entry_is_added_and_removed() -> None:
    nothing = run("show")
    assert (nothing.exit_code, nothing.stdout) == (1, "there are no lists\n")
    made = run("create", "blocked_devices", "--kind", "block", "--field", "device_id")
    assert made.stdout == "list blocked_devices is created: block, by device_id\n"
    assert "exists already" in run("create", "blocked_devices", "--kind", "block", "--field", "device_id").stdout
    assert run("show", "blocked_devices").exit_code == 1
    added = run("add", "blocked_devices", "d1", "d2", "--reason", "fraud ring", "--expires", "2030-01-01")
    assert (added.exit_code, added.stdout) == (0, "blocked_devices: 2 added (change 1)\n")
    again = run("add", "blocked_devices", "d1", "--reason", "again", "--expires", "2030-01-01")
    assert (again.exit_code, again.stdout) == (0, "blocked_devices: nothing to change\n")
    shown = run("show", "blocked_devices")
    assert shown.exit_code == 0
    assert all(text in shown.stdout for text in ("d1", "d2", "fraud ring", socket.gethostname(), "2030-01-01"))
    removed = run("remove", "blocked_devices", "d1", "d9", "--reason", "a mistake")
    assert (removed.exit_code, removed.stdout) == (0, "blocked_devices: 1 removed, 1 unchanged (change 2)\n")
    assert run("remove", "blocked_devices", "d9", "--reason", "a mistake").exit_code == 1
    (entry,) = map(json.loads, run("show", "blocked_devices", "--json").stdout.splitlines())
    assert (entry["value"], entry["added_in"], entry["provenance"]) == ("d2", 1, "command")
    (summary,) = map(json.loads, run("show", "--json").stdout.splitlines())
    assert (summary["name"], summary["entries"], summary["last_change"]) == ("blocked_devices", 1, 2)


def test_a_past_moment_can_be_shown_and_exported() -> None:
    run("create", "blocked", "--kind", "block", "--field", "country")
    run("add", "blocked", "sg", "my", "--reason", "why")
    (first, _) = map(json.loads, run("show", "blocked", "--json").stdout.splitlines())
    run("remove", "blocked", "sg", "--reason", "why")
    assert "SG" not in run("show", "blocked").stdout
    then = run("at", "blocked", first["added_at"], "--value", "sg", "--json")
    assert json.loads(then.stdout)["value"] == "SG"
    assert run("export", "blocked").stdout == "value,expires_at\nMY,\n"
    assert run("export", "blocked", "--at", first["added_at"]).stdout == "value,expires_at\nMY,\nSG,\n"
    assert run("at", "blocked", "2026-01-01").exit_code == 1


def test_a_file_is_one_change_and_reports_what_it_refuses(tmp_path: Path) -> None:
    run("create", "addresses", "--kind", "watch", "--field", "ip_address")
    file, report = tmp_path / "addresses.csv", tmp_path / "refused.csv"
    file.write_text("value,expires_at\n10.0.0.1,\n10.0.0.999,\n10.0.0.2,2030-01-01\n")
    dry = run("import", "addresses", file, "--reason", "feed", "--dry-run")
    assert dry.stdout == "2 values are valid, nothing was changed; 1 lines refused\n"
    assert run("show", "addresses").exit_code == 1
    done = run("import", "addresses", file, "--reason", "feed", "--refused", report)
    assert (done.exit_code, done.stdout) == (1, "addresses: 2 added (change 1); 1 lines refused\n")
    assert f"{file}:3: ip_address must be an IPv4 or IPv6 address" in done.stderr
    assert report.read_text().splitlines()[1].startswith("3,value,10.0.0.999,")
    exported = tmp_path / "exported.csv"
    exported.write_text(run("export", "addresses").stdout)
    again = run("import", "addresses", exported, "--reason", "feed")
    assert (again.exit_code, again.stdout) == (0, "addresses: nothing to change; 0 lines refused\n")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["show", "blocked_device"], CommandError, "the nearest is blocked_devices"),
        (["add", "none", "d", "--reason", "why"], CommandError, "list 'none' does not exist"),
        (["add", "blocked_devices", "", "--reason", "why"], UsageError, "device_id must"),
        (["add", "blocked_devices", "d", "--reason", " "], UsageError, "a reason is one line"),
        (["create", "x", "--kind", "blocked", "--field", "device_id"], UsageError, "none of block, trust, watch"),
        (["create", "blocked_devices", "--kind", "trust", "--field", "user_id"], UsageError, "is a block list"),
        (["import", "blocked_devices", "none.csv", "--reason", "why"], UsageError, "none.csv cannot be read"),
    ],
)
def test_errors_name_what_to_do(arguments: list[str], error: type[Exception], message: str) -> None:
    run("create", "blocked_devices", "--kind", "block", "--field", "device_id")
    result = run(*arguments)
    assert type(result.exception) is error
    assert message in str(result.exception)


def test_a_database_that_is_down_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERWATCH_DATABASE_URL", f"postgresql://u@127.0.0.1:{free_port()}/none")
    assert isinstance(run("show").exception, UnavailableError)
