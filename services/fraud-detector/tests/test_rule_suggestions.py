"""Suggested rules: on the later half of labelled orders they are better than a threshold on amount set by hand."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import asyncpg
import pytest

from decision_engine.backtest.backtester import Backtester, PastOrder
from decision_engine.rule import Mode
from decision_engine.ruleset import Ruleset, load_ruleset, parse_ruleset
from fraud_detector.rules.suggestion import LEAST_HITS, MOST_RULES, Candidate, draft, find_suggestions
from order_contract.decision import Outcome
from order_contract.label import Label
from order_platform.settings import KafkaSettings
from tests.support.called_commands import call_fraud_detector
from tests.support.labelled_histories import LabelledOrder, first_orders
from tests.support.past_orders import store_past_orders

BASE = """
review_at: 50
decline_at: 90
features:
  orders_of_device_30d: {aggregate: count, key: device_id, window: 30d}
  users_of_address_7d: {aggregate: distinct, field: user_id, key: ip_address, window: 7d}
rules:
  - {id: large, description: Large., when: amount >= 7_000, severity: low, score: 50}
"""


@pytest.fixture(scope="module")
def orders() -> Sequence[LabelledOrder]:
    return first_orders(7, 6_000)


@pytest.fixture(scope="module")
def candidates(orders: Sequence[LabelledOrder]) -> Sequence[Candidate]:
    """The earlier half, every tenth order without a label."""
    backtester = Backtester(parse_ruleset(BASE, "base"))
    return [
        Candidate(order.event, backtester.decide(_past(order)).features, None if number % 10 == 0 else order.is_fraud)
        for number, order in enumerate(orders[: len(orders) // 2])
    ]


def _past(order: LabelledOrder) -> PastOrder:
    return PastOrder(order.event, Outcome.APPROVE, Label.FRAUD if order.is_fraud else Label.LEGITIMATE)


def later_half(ruleset: Ruleset, orders: Sequence[LabelledOrder]) -> Backtester:
    backtester = Backtester(ruleset)
    for number, order in enumerate(orders):
        if number < len(orders) // 2:
            backtester.warm_up(order.event)
        else:
            backtester.decide(_past(order))
    return backtester


def test_they_beat_a_threshold_on_amount(orders: Sequence[LabelledOrder], candidates: Sequence[Candidate]) -> None:
    suggestions = find_suggestions(candidates, days=120, reviews_a_day=5)
    base = parse_ruleset(BASE, "base")
    suggested = later_half(parse_ruleset(draft(base, suggestions), "draft"), orders).tally
    by_amount = later_half(base, orders).tally
    assert suggested.recall.value is not None
    assert suggested.precision.value is not None
    assert suggested.recall.value > (by_amount.recall.value or 0)
    assert suggested.precision.value > (by_amount.precision.value or 0)
    assert suggested.precision.value > 0.5


def test_a_condition_is_what_the_engine_evaluates(candidates: Sequence[Candidate]) -> None:
    """The hits that a suggestion claims are those of its rule."""
    suggestions = find_suggestions(candidates, days=120, reviews_a_day=5)
    ruleset = parse_ruleset(draft(parse_ruleset(BASE, "base"), suggestions), "draft")
    seen: set[str] = set()
    for rule, suggestion in zip(ruleset.rules, suggestions, strict=True):
        hits = {each.event.order_id for each in candidates if rule.condition(each.event, each.features)}
        assert len(hits - seen) == suggestion.hits >= LEAST_HITS
        seen |= hits


def test_reviews_of_a_day_are_a_bound(candidates: Sequence[Candidate]) -> None:
    for reviews in (0.2, 1):
        suggestions = find_suggestions(candidates, days=120, reviews_a_day=reviews)
        assert sum(each.hits for each in suggestions) <= 120 * reviews
        assert len(suggestions) <= MOST_RULES
    assert find_suggestions(candidates, days=120, reviews_a_day=0.01) == []


def test_nothing_is_suggested_without_labels(candidates: Sequence[Candidate]) -> None:
    assert find_suggestions([each._replace(is_fraud=None) for each in candidates], 120, 5) == []
    assert find_suggestions([each._replace(is_fraud=False) for each in candidates], 120, 5) == []
    assert find_suggestions([], 120, 5) == []


def test_hostile_values_stay_text(candidates: Sequence[Candidate]) -> None:
    method = "x' or True or '{amount}\n- {id: y}"
    changed = [
        each._replace(event=each.event._replace(payment_method=method if each.is_fraud else "GoPay"))
        for each in candidates
    ]
    suggestions = find_suggestions(changed, days=120, reviews_a_day=10)
    ruleset = parse_ruleset(draft(parse_ruleset(BASE, "base"), suggestions), "draft")
    rule = ruleset.rules[0]
    assert "payment_method" in rule.when
    fires = [each for each in changed if rule.condition(each.event, each.features)]
    assert {each.event.payment_method for each in fires} == {method}


@pytest.mark.integration
async def test_the_command_writes_a_draft_in_shadow(database_url: str, tmp_path: Path) -> None:
    await store_past_orders(database_url, date(2026, 11, 1), 4, 3_000)
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        """
        insert into labels (topic, epoch, partition, "offset", order_id, label, source, labelled_at, appended_at)
        select 'labels', 1, 0, row_number() over (), order_id,
            case when amount >= 20000000 then 'fraud' else 'legitimate' end, 'bank', now(), now()
        from orders where source_offset % 3 = 0
        """
    )
    await connection.close()
    file = tmp_path / "draft.yaml"
    arguments = "--from", "2026-11-01", "--to", "2026-11-04", "--reviews-a-day", "500", "--output", str(file)
    done = call_fraud_detector(KafkaSettings(), database_url, "rules", "suggest", *arguments)
    assert done.returncode == 0, done.stderr
    assert "the suggested rules against the stored decisions" in done.stdout
    ruleset = load_ruleset(file)
    assert ruleset.rules[0].mode is Mode.SHADOW
    assert "amount > " in ruleset.rules[0].when
    assert "labelled hits were fraud" in file.read_text()
    few = "--from", "2026-11-01", "--to", "2026-11-04", "--reviews-a-day", "0.1", "--output", str(file)
    nothing = call_fraud_detector(KafkaSettings(), database_url, "rules", "suggest", *few)
    assert (nothing.returncode, "nothing to suggest" in nothing.stderr) == (1, True)
