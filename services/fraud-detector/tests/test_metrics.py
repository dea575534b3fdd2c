"""The detector's metrics: what a stored batch adds to them."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import yaml
from prometheus_client import generate_latest

from decision_engine.history.declaration import SECOND, Aggregate, HistoryFeature
from decision_engine.history.stream_features import StreamFeatures
from decision_engine.lists import EntryChange, ListMembers
from decision_engine.ruleset import load_ruleset, parse_ruleset
from fraud_detector.stream.batch import Batch, StoreResult
from fraud_detector.stream.metrics import DetectorMetrics, Stage
from fraud_detector.stream.order_evaluator import OrderEvaluator
from order_contract.dead_letter_record import RejectedMessage
from order_contract.decision import OrderRow
from order_contract.decoding.decoder import EventDecoder
from order_contract.reference_data import PaymentMethods
from simulation.fakes import FakeMessage
from tests.support.plain_order import plain_order

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 11, 28, 5, tzinfo=UTC)


def rows(*methods: str, added: tuple[str, ...] = ()) -> list[OrderRow]:
    evaluator = OrderEvaluator(EventDecoder(added), load_ruleset())
    decided = [
        evaluator.evaluate(FakeMessage(0, offset, orjson.dumps(plain_order(f"o{offset}", payment_method=method))), NOW)
        for offset, method in enumerate(methods)
    ]
    return [row for row in decided if isinstance(row, OrderRow)]


def test_orders_of_unknown_payment_methods_are_decided_and_counted_without_their_names() -> None:
    metrics = DetectorMetrics(PaymentMethods(["Klarna"]).names)
    stored = rows("OVO", "go-pay", "klarna", "COD", "cod", "Seashells 17", added=("Klarna",))

    metrics.stored(Batch(), StoreResult(stored), NOW)

    assert [row.payment_method for row in stored] == ["OVO", "GoPay", "Klarna", "COD", "cod", "Seashells 17"]
    text = generate_latest(metrics.registry).decode()
    assert "orderwatch_detector_unknown_payment_methods_total 3.0" in text
    assert "Seashells" not in text


def test_alerts_name_metrics_that_there_are() -> None:
    text = (ROOT / "deploy/prometheus/alerts.yaml").read_text()
    groups = yaml.safe_load(text)["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    named = set(re.findall(r"orderwatch_detector_\w+", " ".join(rule["expr"] for rule in rules)))
    recorded = {rule["record"] for rule in rules if "record" in rule}
    exposed = generate_latest(DetectorMetrics().registry).decode()
    assert named
    assert {name for name in named if f"# TYPE {name} " not in exposed} == set()
    used = {name for rule in rules for name in re.findall(r"orderwatch:\w+:\w+", rule["expr"])}
    assert used <= recorded
    for alert in (rule for rule in rules if "alert" in rule):
        assert alert["labels"]["severity"] in {"page", "ticket"}
        runbook = re.fullmatch(r'(docs/\S+\.md), "(.+)"', alert["annotations"]["runbook"])
        assert runbook is not None, alert
        page, heading = runbook.groups()
        assert f"\n## {heading}\n" in (ROOT / page).read_text(), alert


SHADOW = """
review_at: 50
decline_at: 90
rules:
  - {id: large, description: large, when: amount > 100, severity: high, score: 60}
  - {id: by-wallet, description: by wallet, when: payment_method == "OVO", severity: low, score: 1, mode: shadow}
"""


def samples(metrics: DetectorMetrics) -> dict[tuple[str, ...], float]:
    """Every sample by its name, without prefix, and label values; buckets and creation times left out."""
    return {
        (sample.name.removeprefix("orderwatch_detector_"), *sample.labels.values()): sample.value
        for metric in metrics.registry.collect()
        for sample in metric.samples
        if not sample.name.endswith(("_bucket", "_created"))
    }


SHADOW_RULES = parse_ruleset(SHADOW, "f.yaml").active


def test_every_metric_counts_what_its_help_says() -> None:
    metrics = DetectorMetrics()
    evaluator = OrderEvaluator(EventDecoder(), parse_ruleset(SHADOW, "f.yaml"))
    appended = NOW - timedelta(seconds=2)
    batch = Batch()
    orders: list[dict[str, Any]] = [{"amount": 1000}, {"amount": 1}, {"amount": 1000, "payment_method": "Gold"}]
    for offset, changes in enumerate(orders):
        value = orjson.dumps(plain_order(f"o{offset}", **changes))
        message = FakeMessage(3, offset, value, timestamp=int(appended.timestamp() * 1000))
        row = evaluator.evaluate(message, NOW)
        assert isinstance(row, OrderRow)
        batch.orders.append((row, message))
    rejected = evaluator.evaluate(FakeMessage(3, 3, b"{"), NOW)
    assert isinstance(rejected, RejectedMessage)
    batch.dead_letters += [rejected]

    metrics.consumed(3, 6)
    metrics.stored(batch, StoreResult([row for row, _ in batch.orders], duplicates=1, conflicts=[rejected]), NOW)
    metrics.committed({3: 6})
    metrics.lag({2: 5})
    metrics.lag({3: 7})
    history = StreamFeatures([HistoryFeature("orders", Aggregate.COUNT, ("user_id",), 60 * SECOND)])
    order, _ = batch.orders[0]
    history.add(order.event(), 0, 1)
    history.add(order.event()._replace(created_date=NOW - timedelta(days=365)), 0, 2)
    list(history.forget())
    assert history.size > 0
    metrics.history(history)
    metrics.followed(0.02)
    members = ListMembers()
    members.load(5, [EntryChange("blocked", "device_id", value, None, True) for value in "ab"])
    metrics.lists(members, lambda: 3.0)
    metrics.list_sizes()
    ticks = iter(range(100))
    metrics.rule_times(evaluator.time_rules(lambda: next(ticks)))
    metrics.rulesets_active({"v1": 1.0})
    metrics.ruleset_refused()
    metrics.rulesets_active({"v2": 1.0})
    metrics.ruleset_refused()
    with metrics.timed(Stage.STORE):
        pass

    counted = samples(metrics)
    assert counted.pop(("stage_seconds_sum", "store")) > 0
    assert counted.pop(("ruleset_since_seconds",)) > NOW.timestamp() - 10 * 365 * 86_400
    expected: dict[tuple[str, ...], float] = {
        ("messages_consumed_total", "3"): 6,
        ("messages_recorded_total", "stored"): 3,
        ("messages_recorded_total", "duplicate"): 1,
        ("messages_recorded_total", "conflict"): 1,
        ("messages_recorded_total", "dead-letter"): 1,
        ("decisions_total", "review"): 2,
        ("decisions_total", "approve"): 1,
        ("rule_hits_total", "large", "live"): 2,
        ("rule_hits_total", "by-wallet", "shadow"): 2,
        ("unknown_payment_methods_total",): 1,
        ("batch_messages_count",): 1,
        ("batch_messages_sum",): 4,
        ("event_to_decision_seconds_count",): 3,
        ("event_to_decision_seconds_sum",): 6,
        ("stage_seconds_count", "store"): 1,
        **{("stage_seconds_count", stage.value): 0 for stage in Stage if stage is not Stage.STORE},
        **{("stage_seconds_sum", stage.value): 0 for stage in Stage if stage is not Stage.STORE},
        ("committed_offset", "3"): 6,
        ("lag_messages", "3"): 7,
        ("histories",): 1,
        ("feature_keys", "orders"): 1,
        **{("rule_seconds_count", rule.id): 1 for rule in SHADOW_RULES},
        **{("rule_seconds_sum", rule.id): 1 for rule in SHADOW_RULES},
        ("history_bytes",): history.size,
        ("history_newest_timestamp_seconds",): history.newest.timestamp(),
        ("history_since_timestamp_seconds",): 0,
        ("shortened_orders",): 0,
        ("followed_seconds_count",): 1,
        ("followed_seconds_sum",): 0.02,
        ("ruleset", "v2"): 1,
        ("ruleset_refused",): 1,
        ("late_orders",): 1,
        ("list_entries", "blocked"): 2,
        ("list_change",): 5,
        ("list_age_seconds",): 3,
    }
    assert counted == expected
