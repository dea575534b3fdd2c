"""`fraud-detector rules publish --watch` and `rules watch`: a jump of the flag rate offers the rollback."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from decision_engine.marketplace_pack import add_marketplace_pack
from decision_engine.pack_mode import PackMode
from decision_engine.ruleset import load_ruleset
from fraud_detector.cli import build_application
from fraud_detector.rules import publish_command
from order_platform.command_line.errors import CommandError
from tests.support.flagged_orders import store_flagged_orders

pytestmark = pytest.mark.integration

RULES = """\
review_at: 50
decline_at: 90
rules:
  - {id: large, description: large, when: amount > 1_000, score: 50, severity: low}
"""


def run(*arguments: str | Path, text: str | None = None) -> Result:
    return CliRunner().invoke(build_application(), ["rules", *map(str, arguments)], input=text)


@pytest.fixture
def versions(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Path]:
    """The active version, with 1,000 orders before, 2 % of them flagged, and a file to publish next."""
    monkeypatch.setenv("ORDERWATCH_DATABASE_URL", database_url)
    monkeypatch.setenv("ORDERWATCH_PUBLISH_CHECK_ORDERS", "0")
    file = tmp_path / "rules.yaml"
    file.write_text(RULES)
    assert run("publish", file).exit_code == 0
    first = load_ruleset(file).version
    asyncio.run(_store_before(database_url, first))
    file.write_text(RULES.replace("1_000", "10"))
    return first, file


async def _store_before(database_url: str, version: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("update ruleset_activations set activated_at = now() - interval '1 day'")
    await connection.close()
    start = datetime.now(UTC) - timedelta(minutes=20)
    await store_flagged_orders(
        database_url, "before-", 1_000, 20, version=version, start=start, length=timedelta(minutes=19)
    )


def store_since(database_url: str, orders: int, flagged: int, version: str) -> None:
    """Orders of the next minute: those of the switch that is about to be."""
    start, length = datetime.now(UTC) + timedelta(seconds=10), timedelta(minutes=1)
    asyncio.run(
        store_flagged_orders(database_url, "since-", orders, flagged, version=version, start=start, length=length)
    )


def flat(output: str) -> str:
    return " ".join(output.split())


def test_a_jump_without_a_terminal_is_an_error(versions: tuple[str, Path], database_url: str) -> None:
    _, file = versions
    second = load_ruleset(file).version
    # As detectors with the pack record it.
    store_since(database_url, 200, 60, add_marketplace_pack(load_ruleset(file), PackMode.SHADOW).version)
    jumped = run("publish", file, "--watch")
    assert isinstance(jumped.exception, CommandError)
    figures = f"Of 200 orders by version {second}, 60 (30.0%) are flagged; of 1,000 before, 20 (2.0%)."
    assert figures in str(jumped.exception)
    assert "a rise by more than 2 points" in str(jumped.exception)
    assert "rules rollback" in jumped.exception.advice
    watched = run("watch", "--json")
    assert watched.exit_code == 1
    document = json.loads(watched.output)
    assert (document["version"], document["verdict"], document["is_over"]) == (second, "rise", False)
    assert (document["before"]["whole"], document["since"]["part"]) == (1_000, 60)
    assert figures in flat(run("watch").output)


@pytest.mark.parametrize("answer", ["y", "n"])
def test_a_jump_offers_the_rollback(
    versions: tuple[str, Path], database_url: str, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    first, file = versions
    second = load_ruleset(file).version
    store_since(database_url, 200, 60, second)
    monkeypatch.setattr(publish_command, "_can_ask", lambda: True)
    watched = run("publish", file, "--author", "ana", text=f"{answer}\n")
    assert watched.exit_code == 0, watched.exception
    assert "Roll back? [y/N]" in watched.output
    newest = json.loads(run("versions", "--json").output.splitlines()[0])
    if answer == "y":
        assert (newest["version"], newest["action"], newest["author"]) == (first, "rollback", "ana")
        assert newest["message"] == "after a rise of the share of flagged orders"
    else:
        assert newest["version"] == second
        assert f"{second} stays as it is" in watched.output


def test_a_steady_share_and_few_orders_offer_nothing(
    versions: tuple[str, Path], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, file = versions
    monkeypatch.setenv("ORDERWATCH_PUBLISH_WATCH_SECONDS", "1")
    monkeypatch.setattr(publish_command, "LOOK_SECONDS", 0.1)
    watched = run("publish", file, "--watch", "--percent", "10")
    assert watched.exit_code == 0, watched.exception
    assert "Of 0 orders" in flat(watched.output)
    assert "too few orders" in flat(watched.output)
    monkeypatch.setenv("ORDERWATCH_PUBLISH_WATCH_SHARE", "0.05")
    monkeypatch.setenv("ORDERWATCH_PUBLISH_WATCH_SECONDS", "300")
    store_since(database_url, 1_000, 22, load_ruleset(file).version)
    watched = run("watch")
    assert watched.exit_code == 0
    assert "has changed by less than 5 points" in flat(watched.output)


def test_without_a_version_nothing_is_watched(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERWATCH_DATABASE_URL", database_url)
    assert "no ruleset is active yet" in str(run("watch").exception)
