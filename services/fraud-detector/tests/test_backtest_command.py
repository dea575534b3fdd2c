"""`fraud-detector backtest`: what it counts equals a plain computation over the stored rows, however it is run."""

import json
import random
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from decision_engine.ruleset import load_ruleset
from order_contract.business_time import business_date
from order_platform.settings import KafkaSettings
from tests.support.called_commands import call_fraud_detector
from tests.support.past_orders import store_past_orders
from tests.support.service import run_command

pytestmark = pytest.mark.integration

FIRST = date(2026, 11, 1)
DATES = ("--from", "2026-11-02", "--to", "2026-11-03")
ORDERS = 3_000
RULES = """
review_at: 50
decline_at: 90
lists: {blocked_users: {kind: block, field: user_id}}
features:
  orders_of_user_1d: {aggregate: count, key: user_id, window: 1d}
  frauds_of_user_30d: {aggregate: label_count, label: fraud, key: user_id, window: 30d}
rules:
  - {id: large, description: "{amount:,}.", when: amount >= 20_000_000, severity: low, score: 50}
  - {id: again, description: Again., when: orders_of_user_1d >= 1, severity: low, score: 40}
  - {id: known, description: Known., when: frauds_of_user_30d > 0, severity: low, score: 60, mode: shadow}
  - {id: blocked, description: Blocked., when: user_id in blocked_users, severity: low, score: 90}
"""

Rows = Sequence[asyncpg.Record]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
async def rows(database_url: str) -> Rows:
    """Orders of three dates, a tenth of them labelled an hour after they were placed."""
    await store_past_orders(database_url, FIRST, 3, ORDERS)
    connection = await asyncpg.connect(database_url)
    found = await connection.fetch("select * from orders order by created_date, order_id")
    chance = random.Random(1)
    labels = [
        ("labels", 1, 0, offset, row["order_id"], chance.choice(["fraud", "chargeback", "legitimate"]), "bank",
         row["created_date"] + timedelta(hours=1), row["created_date"] + timedelta(days=2))
        for offset, row in enumerate(chance.sample(found, ORDERS // 10))
    ]  # fmt: skip
    columns = ["topic", "epoch", "partition", "offset", "order_id", "label", "source", "labelled_at", "appended_at"]
    await connection.copy_records_to_table("labels", records=labels, columns=columns)
    found = await connection.fetch(
        "select orders.*, label, labelled_at from orders left join labels using (order_id) "
        "order by created_date, order_id"
    )
    await connection.close()
    return found


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return path


def run(database_url: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return call_fraud_detector(KafkaSettings(), database_url, "backtest", *arguments)


def run_process(database_url: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return run_command(KafkaSettings(), database_url, "fraud_detector", "backtest", *arguments)


def document(database_url: str, *arguments: str, run: Run = run) -> dict[str, Any]:
    done = run(database_url, *arguments, "--report", "json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def expected_hits(rows: Rows, index: int) -> list[str]:
    row = rows[index]
    created: datetime = row["created_date"]
    earlier = [each for each in rows[:index] if each["user_id"] == row["user_id"]]
    fires = {
        "large": row["amount"] >= 20_000_000,
        "again": any(each["created_date"] > created - timedelta(days=1) for each in earlier),
        "known": any(each["label"] in {"fraud", "chargeback"} and each["labelled_at"] <= created for each in earlier),
    }
    return [name for name, fired in fires.items() if fired]


def expected_outcome(hits: list[str]) -> str:
    score = 50 * ("large" in hits) + 40 * ("again" in hits)
    return "decline" if score >= 90 else "review" if score >= 50 else "approve"


def test_counts_are_those_of_a_plain_computation(database_url: str, rows: Rows, rules: Path) -> None:
    found = document(database_url, str(rules), *DATES)
    decided = [i for i, row in enumerate(rows) if business_date(row["created_date"]) > FIRST]
    hits = {i: expected_hits(rows, i) for i in decided}
    after = {i: expected_outcome(hits[i]) for i in decided}
    assert found["orders"] == len(decided) > ORDERS // 2
    assert {(each["before"], each["after"]): each["orders"] for each in found["changes"]} == Counter(
        (rows[i]["outcome"], after[i]) for i in decided if rows[i]["outcome"] != after[i]
    )
    assert {rule["rule"]: rule["hits"]["orders"] for rule in found["rules"]} == {
        name: sum(name in hits[i] for i in decided) for name in ("large", "again", "known", "blocked")
    }
    assert {rule["rule"]: rule["hits"]["orders"] for rule in found["rules"]}["known"] > 0
    fraud = [i for i in decided if rows[i]["label"] in {"fraud", "chargeback"}]
    legitimate = [i for i in decided if rows[i]["label"] == "legitimate"]
    caught = [i for i in fraud if after[i] != "approve"]
    stopped = [i for i in legitimate if after[i] != "approve"]
    assert (found["recall"]["part"], found["recall"]["whole"]) == (len(caught), len(fraud))
    assert (found["precision"]["part"], found["precision"]["whole"]) == (len(caught), len(caught) + len(stopped))
    assert found["buckets"]["caught-fraud"]["money"] == {"IDR": sum(rows[i]["amount"] for i in caught)}
    freed = [i for i in legitimate if after[i] == "approve" != rows[i]["outcome"]]
    assert found["buckets"]["freed-customer"]["orders"] == len(freed)
    assert found["silent_rules"] == ["blocked"]
    assert [day["date"] for day in found["days"]] == ["2026-11-02", "2026-11-03"]


@pytest.mark.usefixtures("rows")
def test_two_processes_count_the_same(database_url: str, rules: Path) -> None:
    alone = document(database_url, str(rules), *DATES)
    assert document(database_url, str(rules), *DATES, "--processes", "2", run=run_process) == alone


@pytest.mark.usefixtures("rows")
def test_it_compares_with_a_version_or_a_file(database_url: str, rules: Path) -> None:
    assert document(database_url, str(rules), *DATES, "--against", str(rules))["changed"] == 0
    default = document(database_url, str(rules), *DATES, "--against", load_ruleset().version)
    stored = document(database_url, str(rules), *DATES)
    assert default["changes"] == stored["changes"]  # which that version decided


@pytest.mark.usefixtures("rows")
def test_reports_are_for_people(database_url: str, rules: Path) -> None:
    table = run(database_url, str(rules), *DATES)
    assert "against the stored decisions" in table.stdout
    assert "orders of 2026-11-02 to 2026-11-03" in table.stdout
    assert "Silent, fire on no order: blocked." in table.stdout
    markdown = run(database_url, str(rules), *DATES, "--report", "markdown").stdout
    assert markdown.startswith("## Backtest\n\nrules.yaml (")
    assert "| rule | mode | hits |" in markdown
    page = run(database_url, str(rules), *DATES, "--report", "html").stdout
    assert page.startswith("<!doctype html>")
    assert page.count("<figure>") == 4


async def test_without_labels_nothing_is_said_about_right_and_wrong(database_url: str, rules: Path) -> None:
    await store_past_orders(database_url, FIRST, 3, 60)
    table = run(database_url, str(rules), *DATES)
    assert table.returncode == 0, table.stderr
    assert "No order is labelled, so nothing says which decisions are right." in table.stdout
    assert document(database_url, str(rules), *DATES)["precision"]["value"] is None


async def test_what_orders_say_is_shown_as_it_is_and_retired_dates_are_named(database_url: str, rules: Path) -> None:
    await store_past_orders(database_url, FIRST, 3, 60)
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "update orders set order_id = '[/x] &amp; @a www.b ' || order_id, outcome = 'decline', status = 'fraud'"
    )
    await connection.execute("insert into retention (retired_before) values ('2026-10-31')")
    await connection.close()
    table = run(database_url, str(rules), *DATES)
    assert table.returncode == 0, table.stderr
    assert "[/x] &amp; @a" in table.stdout
    assert "Orders before 2026-10-31 were removed from the database" in table.stdout
    markdown = run(database_url, str(rules), *DATES, "--report", "markdown").stdout
    assert "\\[/x\\] \\&amp; @\u200ba w\u200bww.b" in markdown
    assert document(database_url, str(rules), *DATES)["retired_before"] == "2026-10-31"


def test_what_cannot_be_run_says_what_to_write(database_url: str, rules: Path, tmp_path: Path) -> None:
    for arguments, code, said in (
        ([str(rules), "--from", "2026-11-03", "--to", "2026-11-02"], 2, "--to ends before --from begins"),
        ([str(tmp_path / "none.yaml"), *DATES], 1, "cannot be read"),
        ([str(rules), *DATES], 1, "no order of these dates is stored"),
        ([str(rules), *DATES, "--against", "0000"], 1, "no version '0000' was ever active"),
        ([str(rules), *DATES, "--processes", "0"], 2, "--processes"),
        ([str(rules), "--from", "20261102", "--to", "20261103"], 2, "a date is written as 2026-11-20"),
    ):
        done = run(database_url, *arguments)
        assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (code, True, False), done.stderr
