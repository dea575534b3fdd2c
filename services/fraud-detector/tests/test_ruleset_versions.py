"""`fraud-detector rules publish`, `rollback`, `versions`, `show` and `active`, on a real database."""

import asyncio
import json
from datetime import date
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from decision_engine.marketplace_pack import add_marketplace_pack
from decision_engine.pack_mode import PackMode
from decision_engine.ruleset import load_ruleset, parse_ruleset
from fraud_detector.cli import build_application
from order_contract.notifications import RULESETS_CHANNEL
from order_contract.ruleset_pointer import RulesetPointer
from order_platform.command_line.errors import CommandError, UsageError
from order_platform.postgres.audit import AuditEntry, AuditFilters, SubjectKind, list_audit
from order_platform.postgres.ruleset_versions import (
    Action,
    activate,
    read_active_version,
    read_content,
)
from tests.support.past_orders import store_past_orders

pytestmark = pytest.mark.integration

RULES = """\
review_at: 50
decline_at: 90
include: [shared.yaml]
rules:
  - id: large
    description: "{amount:,} is large."
    when: amount > most_amount
    score: 50
    severity: low
    tests:
      - {order: {amount: 2000}, expect: true}
"""


@pytest.fixture
def file(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A rule file, with a database for the commands."""
    monkeypatch.setenv("ORDERWATCH_DATABASE_URL", database_url)
    (tmp_path / "shared.yaml").write_text("parameters: {most_amount: 1000}\n")
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return path


def run(*arguments: str | int | Path) -> Result:
    return CliRunner().invoke(build_application(), ["rules", *map(str, arguments)])


def publish(file: Path, score: int) -> str:
    """Publish the rules with another score; returns the version."""
    file.write_text(RULES.replace("score: 50", f"score: {score}"))
    done = run("publish", file)
    assert done.exit_code == 0, done.output
    return load_ruleset(file).version


def test_a_published_version_holds_what_it_includes(file: Path, database_url: str) -> None:
    done = run("publish", file, "--message", "large orders", "--author", "ana")
    version = load_ruleset(file).version
    assert (done.exit_code, done.output) == (0, f"{version} is active\n")

    shown = run("show", version[:6])
    (file.parent / "shared.yaml").unlink()
    assert parse_ruleset(shown.output, "shown").version == version

    (listed,) = [json.loads(line) for line in run("versions", "--json").output.splitlines()]
    assert listed.pop("activated_at")
    expected = {
        "version": version,
        "candidate": None,
        "percent": None,
        "active": True,
        "action": "publish",
        "author": "ana",
        "message": "large orders",
    }
    assert listed == expected
    assert f"{version} since" in run("active").output


def test_publishing_the_active_version_changes_nothing(file: Path) -> None:
    version = publish(file, 50)
    file.write_text("# another layout\n" + RULES)
    done = run("publish", file)
    assert (done.exit_code, done.output) == (0, f"{version} is active already; nothing has changed\n")
    assert len(run("versions", "--json").output.splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("amount > most_amount", "amount > most_amont"), "most_amount"),
        (("expect: true", "expect: false"), "examples are not as expected"),
        (("include: [shared.yaml]", "include: [missing.yaml]"), "missing.yaml"),
    ],
    ids=["invalid", "example", "include"],
)
def test_what_fails_its_checks_replaces_nothing(file: Path, change: tuple[str, str], problem: str) -> None:
    version = publish(file, 50)
    file.write_text(RULES.replace(*change))
    done = run("publish", file)
    assert isinstance(done.exception, CommandError)
    assert problem in str(done.exception)
    assert json.loads(run("active", "--json").output)["version"] == version


def test_rollback_returns_to_the_previous_version_or_a_named_one(file: Path) -> None:
    first, second, third = (publish(file, score) for score in (50, 60, 70))
    assert run("rollback").output == f"{second} is active again, instead of {third}\n"
    assert run("rollback", first[:8], "--message", "false alarms").output.startswith(f"{first} is active again")
    assert run("rollback", first).output == f"{first} is active already; nothing has changed\n"
    history = [json.loads(line) for line in run("versions", "--json").output.splitlines()]
    assert [each["version"] for each in history] == [first, second, third, second, first]
    assert [each["action"] for each in history] == ["rollback", "rollback", "publish", "publish", "publish"]
    assert [each["active"] for each in history] == [True, False, False, False, False]


def test_a_candidate_is_rolled_out_in_steps(file: Path, database_url: str) -> None:
    first = publish(file, 50)
    file.write_text(RULES.replace("score: 50", "score: 60"))
    candidate = load_ruleset(file).version
    started = run("publish", file, "--percent", 10)
    assert started.output == f"{candidate} decides for 10% of the users; {first} applies to all other users\n"
    assert run("publish", file, "--percent", 10).output.endswith("already; nothing has changed\n")
    document = json.loads(run("active", "--json").output)
    assert (document["version"], document["candidate"], document["percent"]) == (first, candidate, 10)
    assert f"Candidate: {candidate} for 10% of the users" in run("active").output
    assert parse_ruleset(run("show", candidate[:6]).output, "shown").version == candidate
    assert run("rollout", 50).exit_code == 0
    assert run("rollback").output == f"The roll-out of {candidate} has ended; {first} applies to all users\n"
    assert "no version is being rolled out" in str(run("rollout", 50).exception)
    run("publish", file, "--percent", 50)
    assert run("rollout", 100).output == f"{candidate} is active, instead of {first}\n"
    history = [json.loads(line) for line in run("versions", "--json").output.splitlines()]
    assert [(each["action"], each["percent"]) for each in history] == [
        ("publish", None), ("rollout", 50), ("rollback", None), ("rollout", 50), ("rollout", 10), ("publish", None),
    ]  # fmt: skip


def test_what_cannot_be_rolled_out_is_refused(file: Path) -> None:
    assert "publish one" in str(run("publish", file, "--percent", 10).exception)
    with_feature = RULES.replace("rules:", "features: {n: {aggregate: count, key: user_id, window: 1h}}\nrules:")
    file.write_text(with_feature)
    assert run("publish", file).exit_code == 0
    assert "is active for all users" in str(run("publish", file, "--percent", 10).exception)
    file.write_text(with_feature.replace("window: 1h", "window: 2h"))
    assert "feature 'n'" in str(run("publish", file, "--percent", 10).exception)
    assert run("publish", file, "--percent", 100).exit_code == 2


def test_a_change_of_many_orders_wants_a_confirmation_that_names_it(
    file: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(store_past_orders(database_url, date(2026, 11, 1), 1, 300))
    plain = RULES.replace("include: [shared.yaml]\n", "").replace("most_amount", "1_000_000_000_000_000")
    plain = plain[: plain.index("    tests:")]
    file.write_text(plain)
    first = run("publish", file)
    assert first.exit_code == 0, first.exception
    file.write_text(plain.replace("amount > 1_000_000_000_000_000", "amount >= 0"))
    monkeypatch.setenv("ORDERWATCH_PUBLISH_CHECK_ORDERS", "200")
    refused = run("publish", file)
    assert isinstance(refused.exception, CommandError)
    assert "Of the last 200 orders, 200 (100.0%) have another outcome" in str(refused.exception)
    assert "--confirm 200" in str(refused.exception.advice)
    assert run("publish", file, "--confirm", "100").exit_code != 0
    published = run("publish", file, "--confirm", "200", "--percent", 10)
    assert "200 are flagged, before 0." in published.output.replace("\n", " ")
    entry = asyncio.run(_newest_audit(database_url))
    assert entry.after["check"] == {"orders": 200, "changed": 200, "flagged_before": 0, "flagged_after": 200}
    assert entry.after["confirmed"] == "200"
    file.write_text(plain.replace("description:", "owner: ana\n    description:"))
    unchanged = run("publish", file)
    assert "0 (0.0%) have another outcome" in unchanged.output.replace("\n", " ")


async def _newest_audit(database_url: str) -> AuditEntry:
    connection = await asyncpg.connect(database_url)
    try:
        (entry,) = await list_audit(connection, AuditFilters(subject_kind=SubjectKind.RULESET), None, 1)
    finally:
        await connection.close()
    return entry


def test_with_the_marketplace_pack_the_version_of_decisions_is_shown(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("publish", str(file))
    assert json.loads(run("active", "--json").output)["version_with_pack"] is None
    monkeypatch.setenv("ORDERWATCH_MARKETPLACE_PACK", "shadow")
    combined = add_marketplace_pack(load_ruleset(file), PackMode.SHADOW).version
    assert json.loads(run("active", "--json").output)["version_with_pack"] == combined
    assert f"With the marketplace pack (shadow), decisions have version {combined}." in run("active").output


def test_rollback_refuses_what_was_never_active(file: Path) -> None:
    assert "no earlier version" in str(run("rollback").exception)
    publish(file, 50)
    assert "no earlier version" in str(run("rollback").exception)
    assert "no version 'ffff' was ever active" in str(run("rollback", "ffff").exception)
    assert "no version 'ffff' was ever active" in str(run("show", "ffff").exception)


def test_a_ruleset_that_does_not_go_with_the_pack_is_not_published(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = publish(file, 50)
    file.write_text(RULES.replace("include: [shared.yaml]", "parameters: {most_amount: 1, most_device_accounts: many}"))
    monkeypatch.setenv("ORDERWATCH_MARKETPLACE_PACK", "live")
    assert "ORDERWATCH_MARKETPLACE_PACK to off" in str(run("publish", file).exception)
    assert json.loads(run("active", "--json").output)["version"] == version
    monkeypatch.setenv("ORDERWATCH_MARKETPLACE_PACK", "off")
    assert run("publish", file).exit_code == 0


def test_rollback_refuses_what_does_not_go_with_the_pack(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(RULES.replace("include: [shared.yaml]", "parameters: {most_amount: 1, most_device_accounts: many}"))
    assert run("publish", file).exit_code == 0
    version = publish(file, 50)
    monkeypatch.setenv("ORDERWATCH_MARKETPLACE_PACK", "live")
    done = run("rollback")
    assert isinstance(done.exception, CommandError)
    assert "ORDERWATCH_MARKETPLACE_PACK to off" in str(done.exception)
    assert json.loads(run("active", "--json").output)["version"] == version
    monkeypatch.setenv("ORDERWATCH_MARKETPLACE_PACK", "off")
    assert run("rollback").exit_code == 0


async def test_rollback_refuses_what_this_release_cannot_read(file: Path, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await activate(connection, "of-another-release", "rules: 1", action=Action.PUBLISH, author="ana")
    await connection.close()
    version = await asyncio.to_thread(publish, file, 50)
    done = await asyncio.to_thread(run, "rollback")
    assert "is not accepted by this release" in str(done.exception)
    assert json.loads((await asyncio.to_thread(run, "active", "--json")).output)["version"] == version


def test_without_a_version_it_is_said(file: Path) -> None:
    assert "no ruleset is active yet" in str(run("active").exception)
    assert "no ruleset is active yet" in run("versions").output


@pytest.mark.parametrize("option", ["--author", "--message"])
@pytest.mark.parametrize("text", [" ", "a\0", "a" * 1001], ids=["empty", "nul", "long"])
def test_text_that_cannot_be_kept_is_refused(file: Path, option: str, text: str) -> None:
    assert isinstance(run("publish", file, option, text).exception, UsageError)


async def test_publishers_at_once_are_serialised(database_url: str) -> None:
    """Each activation follows the one that it says was active before."""
    listener = await asyncpg.connect(database_url)
    notified: list[str] = []
    await listener.add_listener(RULESETS_CHANNEL, lambda *found: notified.append(found[3]))
    connections = [await asyncpg.connect(database_url) for _ in range(5)]

    async def activate_some(connection: asyncpg.Connection, number: int) -> list[tuple[str | None, str]]:
        return [
            (before.version if before else None, version)
            for version in (f"{number}-{step % 2}" for step in range(6))
            for before in [await activate(connection, version, "content", action=Action.PUBLISH, author="ana")]
        ]

    done = await asyncio.gather(*(activate_some(each, number) for number, each in enumerate(connections)))
    history = await listener.fetch("select version, activated_at from ruleset_activations order by activation")
    versions = [row["version"] for row in history]
    times = [row["activated_at"] for row in history]
    assert times == sorted(times)
    recorded = await list_audit(listener, AuditFilters(subject_kind=SubjectKind.RULESET), None, 100)
    assert [each.subject_id for each in recorded] == versions[::-1]
    pairs = {(before, after) for steps in done for before, after in steps if before != after}
    assert pairs == set(zip([None, *versions], versions, strict=False))
    assert await read_active_version(listener) == versions[-1] == notified[-1]
    assert await read_content(listener, versions[-1]) == "content"
    for each in (listener, *connections):
        await each.close()


async def test_the_initial_version_is_activated_once(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    assert await activate(connection, "a", "a", action=Action.INITIAL, author="detector") is None
    assert await activate(connection, "b", "b", action=Action.INITIAL, author="detector") == RulesetPointer("a")
    assert await read_active_version(connection) == "a"
    assert await read_content(connection, "b") is None
    await connection.close()
