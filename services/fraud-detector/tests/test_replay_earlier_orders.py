"""Replays of one date: the orders before it are read for the windows that reach there."""

import json
from datetime import date

import asyncpg
import pytest

from decision_engine.ruleset import parse_ruleset
from order_platform.settings import KafkaSettings
from tests.support.called_commands import call_fraud_detector
from tests.support.past_orders import store_past_orders

pytestmark = pytest.mark.integration

RULESET = parse_ruleset(
    """
review_at: 50
decline_at: 90
features: {orders_of_user_30d: {aggregate: count, key: user_id, window: 30d}}
rules: [{id: again, description: Again., when: orders_of_user_30d > 0, severity: low, score: 60}]
""",
    "rules.yaml",
)


async def test_the_windows_of_a_date_reach_into_the_dates_before(database_url: str) -> None:
    await store_past_orders(database_url, date(2026, 11, 1), 3, 600, ruleset=RULESET)
    dates = "--from", "2026-11-03", "--to", "2026-11-03"
    done = call_fraud_detector(KafkaSettings(), database_url, "replay", *dates, "--json")
    assert done.returncode == 0, (done.stdout, done.stderr)
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["agrees"]
    assert summary["decided_again"] > 100
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "update orders set order_id = '[/x]' || order_id, risk_score = 61 where order_id = ("
        "select order_id from orders where outcome <> 'approve' order by created_date desc limit 1)"
    )
    await connection.close()
    shown = call_fraud_detector(KafkaSettings(), database_url, "replay", *dates)
    assert (shown.returncode, "[/x]" in shown.stdout, "risk_score" in shown.stdout) == (1, True, True), shown.stderr
