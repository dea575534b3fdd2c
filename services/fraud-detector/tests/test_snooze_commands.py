"""`fraud-detector rules snooze` and `end-snooze`, on a real database."""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from decision_engine.ruleset import load_ruleset
from fraud_detector.cli import build_application
from order_platform.command_line.errors import CommandError, UsageError
from order_platform.postgres.ruleset_versions import record_ruleset

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database in which the default ruleset is recorded, as by a detector that started."""
    monkeypatch.setenv("ORDERWATCH_DATABASE_URL", database_url)
    ruleset = load_ruleset()

    async def record() -> None:
        connection = await asyncpg.connect(database_url)
        await record_ruleset(connection, ruleset.version, ruleset.content)
        await connection.close()

    asyncio.run(record())


def run(*arguments: str) -> Result:
    return CliRunner().invoke(build_application(), arguments)


def test_a_rule_is_snoozed_for_days_and_counts_again() -> None:
    before = datetime.now(UTC)
    done = run("rules", "snooze", "foreign-country", "--user", "U1", "--days", "7", "--reason", "moved abroad")
    assert done.exit_code == 0, done.exception
    assert re.fullmatch(r"rule foreign-country is snoozed for user_id U1 until .* WIB \(change 1\)\n", done.stdout)
    (entry,) = map(json.loads, run("lists", "show", "snooze:foreign-country:user_id", "--json").stdout.splitlines())
    assert (entry["value"], entry["reason"]) == ("U1", "moved abroad")
    lasts = datetime.fromisoformat(entry["expires_at"]) - before
    assert timedelta(days=7) <= lasts < timedelta(days=7, hours=1)
    address = run("rules", "snooze", "foreign-country", "--address", "2001:DB8::0", "--days", "1", "--reason", "office")
    assert "for ip_address 2001:db8::" in address.stdout
    ended = run("rules", "end-snooze", "foreign-country", "--user", "U1", "--reason", "back")
    assert (ended.exit_code, ended.stdout) == (
        0, "snooze of foreign-country for user_id U1: 1 removed (change 3)\n",
    )  # fmt: skip
    again = run("rules", "end-snooze", "foreign-country", "--user", "U1", "--reason", "back")
    assert (again.exit_code, again.stdout) == (1, "snooze of foreign-country for user_id U1: nothing to change\n")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["foreign-contry", "--user", "U1", "--days", "7"], UsageError, "does not exist; write foreign-country"),
        (["x", "--user", "U1", "--days", "7"], UsageError, "rule 'x' does not exist; there are"),
        (["foreign-country", "--days", "7"], UsageError, "give one of --user, --device, --address"),
        (["foreign-country", "--user", "U1", "--device", "d", "--days", "7"], UsageError, "give one of"),
        (["foreign-country", "--user", "U1", "--days", "0"], UsageError, "snoozed for 1 to 365 days, not 0"),
        (["foreign-country", "--address", "10.0", "--days", "1"], UsageError, "ip_address must be"),
    ],
)
def test_errors_name_what_to_do(arguments: list[str], error: type[Exception], message: str) -> None:
    result = run("rules", "snooze", *arguments, "--reason", "why")
    assert type(result.exception) is error
    assert message in str(result.exception)
    assert run("lists", "show").exit_code == 1


def test_a_rule_that_was_never_snoozed_is_named() -> None:
    result = run("rules", "end-snooze", "foreign-country", "--user", "U1", "--reason", "why")
    assert type(result.exception) is CommandError
    assert "list 'snooze:foreign-country:user_id' does not exist" in str(result.exception)
