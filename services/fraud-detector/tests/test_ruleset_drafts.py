"""`fraud-detector rules draft`, and publishing drafts, on a real database."""

import asyncio
import json
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from decision_engine.ruleset import load_ruleset
from fraud_detector.cli import build_application
from order_platform.command_line.errors import CommandError, UsageError
from order_platform.postgres.audit import AuditEntry, AuditFilters, list_audit

pytestmark = pytest.mark.integration

RULES = """\
review_at: 50
decline_at: 90
rules:
  - {id: large, description: large, when: amount > 1_000, score: 50, severity: low}
"""


@pytest.fixture
def file(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A rule file, with a database for the commands."""
    monkeypatch.setenv("ORDERWATCH_DATABASE_URL", database_url)
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(build_application(), ["rules", *map(str, arguments)])


def succeed(*arguments: str | Path) -> str:
    done = run(*arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    return " ".join(done.output.split())


def audit(database_url: str) -> list[AuditEntry]:
    async def read() -> list[AuditEntry]:
        connection = await asyncpg.connect(database_url)
        try:
            return list(await list_audit(connection, AuditFilters(), None, 20))
        finally:
            await connection.close()

    return asyncio.run(read())


def test_a_draft_is_written_approved_and_published(
    file: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDERWATCH_PUBLISH_APPROVAL", "true")
    version = load_ruleset(file).version
    succeed("draft", "save", "large-orders", file, "--author", "ana", "-m", "first")
    assert "No version is active yet." in succeed("draft", "show", "large-orders")
    assert "is not approved" in str(run("publish", "--draft", "large-orders").exception)
    assert "which a file cannot have" in str(run("publish", file).exception)
    assert "is an author" in str(run("draft", "approve", "large-orders", version, "--author", "ana").exception)
    assert "is version" in str(run("draft", "approve", "large-orders", "0000", "--author", "budi").exception)
    succeed("draft", "approve", "large-orders", version[:8], "--author", "budi")
    succeed("publish", "--draft", "large-orders", "--author", "ana")
    assert json.loads(succeed("active", "--json"))["message"] == "first"
    published, approved, drafted = audit(database_url)
    assert [each.action for each in (published, approved, drafted)] == ["publish", "approve", "draft"]
    assert (published.after["draft"], published.after["approved_by"]) == ("large-orders", "budi")
    assert {each.subject_id for each in (published, approved, drafted)} == {version}


def test_a_change_ends_the_approval_and_adds_an_author(file: Path) -> None:
    succeed("publish", file)
    succeed("draft", "save", "next", file, "--author", "ana")
    succeed("draft", "approve", "next", load_ruleset(file).version, "--author", "budi")
    file.write_text(RULES.replace("score: 50", "score: 95"))
    succeed("draft", "save", "next", file, "--author", "budi")
    document = json.loads(run("draft", "show", "next", "--json").output)
    assert (document["authors"], document["approved_by"]) == (["ana", "budi"], None)
    assert document["difference"] == ["Rule large: score was 50 and is 95."]
    for author in ("ana", "budi"):
        refused = run("draft", "approve", "next", document["version"], "--author", author)
        assert "is an author" in str(refused.exception)
    assert "score: 95" in run("draft", "show", "next", "--content").output
    (listed,) = [json.loads(line) for line in run("draft", "list", "--json").output.splitlines()]
    assert (listed["name"], listed["version"]) == ("next", document["version"])
    assert "next" in run("draft", "list").output
    succeed("draft", "delete", "next", "--author", "ana")
    assert run("draft", "list", "--json").output == ""


def test_what_cannot_be_done_with_a_draft_is_said(file: Path) -> None:
    for arguments, error, said in (
        (("draft", "save", "No Name", file), UsageError, "lower-case words"),
        (("draft", "save", "a", file.with_name("none.yaml")), UsageError, "cannot be read"),
        (("draft", "save", "a", file, "-m", " "), UsageError, "--message is text"),
        (("draft", "show", "none"), CommandError, "no draft is named 'none'"),
        (("draft", "approve", "none", "00"), CommandError, "no draft is named 'none'"),
        (("draft", "delete", "none"), CommandError, "no draft is named 'none'"),
        (("publish", "--draft", "none"), CommandError, "no draft is named 'none'"),
        (("publish", file, "--draft", "none"), UsageError, "not both"),
        (("publish",), UsageError, "FILE or --draft"),
    ):
        done = run(*arguments)
        assert isinstance(done.exception, error), (arguments, done.exception)
        assert said in str(done.exception)
