"""`fraud-detector retroactive`: the approved orders that new rules flag, and reviews for them."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from order_contract.business_time import business_date
from order_platform.postgres.audit import AuditFilters, SubjectKind, list_audit
from order_platform.settings import KafkaSettings
from tests.support.called_commands import call_fraud_detector
from tests.support.past_orders import store_past_orders

pytestmark = pytest.mark.integration

LIMIT = 20_000_000
RULES = f"""
review_at: 50
decline_at: 90
rules:
  - {{id: large, description: "{{amount:,}} of {{user_id}}.", when: amount >= {LIMIT}, severity: low, score: 50}}
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return path


@pytest.fixture
async def expected(database_url: str) -> Sequence[str]:
    """Orders of the past three days; returns those that the rules flag, one of which is labelled."""
    today = business_date(datetime.now(UTC))
    await store_past_orders(database_url, today - timedelta(days=3), 3, 1_000)
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch(
        "select order_id from orders where amount >= $1 and outcome = 'approve' order by created_date, order_id", LIMIT
    )
    await connection.execute(
        'insert into labels (topic, epoch, partition, "offset", order_id, label, source, labelled_at, appended_at) '
        "values ('labels', 1, 0, 0, $1, 'legitimate', 'bank', now(), now())",
        rows[0]["order_id"],
    )
    await connection.close()
    assert len(rows) > 10
    return [row["order_id"] for row in rows[1:]]


def run(database_url: str, *arguments: str) -> Any:
    return call_fraud_detector(KafkaSettings(), database_url, "retroactive", *arguments)


async def test_it_lists_and_opens_reviews_once(database_url: str, rules: Path, expected: Sequence[str]) -> None:
    listed = run(database_url, str(rules), "--days", "7", "--json")
    assert listed.returncode == 0, listed.stderr
    found = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [each["order_id"] for each in found] == expected
    assert found[0]["hits"][0]["rule"] == "large"
    table = run(database_url, str(rules), "--days", "7")
    assert f"{len(expected)} approved orders are flagged by these rules" in table.stdout
    assert "1 more are labelled already" in table.stdout
    unconfirmed = run(database_url, str(rules), "--days", "7", "--open-reviews", "card testing")
    assert (unconfirmed.returncode, "add --yes" in unconfirmed.stderr) == (2, True)
    opened = run(database_url, str(rules), "--days", "7", "--open-reviews", "card testing", "--yes")
    assert f"{len(expected)} reviews were opened; 0 orders had one already" in opened.stderr
    again = run(database_url, str(rules), "--days", "7", "--open-reviews", "card testing", "--yes")
    assert f"0 reviews were opened; {len(expected)} orders had one already" in again.stderr
    connection = await asyncpg.connect(database_url)
    stored = await connection.fetch("select order_id, rules, reason from open_reviews")
    assert {row["order_id"] for row in stored} == set(expected)
    assert (stored[0]["rules"], stored[0]["reason"]) == (["large"], "card testing")
    (entry,) = await list_audit(connection, AuditFilters(subject_kind=SubjectKind.REVIEW), None, 10)
    assert (entry.action, entry.reason, entry.after["reviews"]) == ("open", "card testing", len(expected))
    await connection.execute(
        'insert into labels (topic, epoch, partition, "offset", order_id, label, source, labelled_at, appended_at) '
        "values ('labels', 1, 0, 1, $1, 'fraud', 'analyst', now(), now())",
        expected[0],
    )
    assert await connection.fetchval("select count(*) from open_reviews") == len(expected) - 1
    await connection.close()


def test_what_cannot_be_run_says_what_to_write(database_url: str, rules: Path, tmp_path: Path) -> None:
    for arguments, code, said in (
        ([str(rules)], 1, "no order of these dates is stored"),
        ([str(rules), "--days", "0"], 2, "--days"),
        ([str(rules), "--open-reviews", " "], 2, "one line of at most 500 characters"),
        ([str(tmp_path / "none.yaml")], 1, "cannot be read"),
    ):
        done = run(database_url, *arguments)
        assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (code, True, False), done.stderr


@pytest.mark.usefixtures("expected")
def test_a_rule_change_is_described(database_url: str, rules: Path, tmp_path: Path) -> None:
    after = tmp_path / "after.yaml"
    after.write_text(RULES.replace(str(LIMIT), "10_000_000"))
    file = tmp_path / "change.md"
    arguments = "rule-change", str(rules), str(after), "--days", "7", "--output", str(file)
    done = call_fraud_detector(KafkaSettings(), database_url, *arguments)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    text = file.read_text()
    assert text.startswith("# Rules: after.yaml\n\nVersion `")
    assert "- " in text
    assert "## Backtest" in text
    assert "| approve to review |" in text
    missing = str(tmp_path / "none")
    new = call_fraud_detector(KafkaSettings(), database_url, "rule-change", missing, str(rules), "--days", "0")
    assert "The file is new: 1 rules" in new.stdout
    nowhere = "postgresql://stranger@127.0.0.1:1/nothing"
    without = call_fraud_detector(KafkaSettings(), nowhere, "rule-change", str(rules), str(after))
    assert (without.returncode, "There is none: Postgres is unavailable" in without.stdout) == (0, True), without.stderr
    after.write_text("rules: 5")
    bad = call_fraud_detector(KafkaSettings(), nowhere, "rule-change", str(rules), str(after))
    assert (bad.returncode, "The file is not accepted" in bad.stdout) == (1, True)
