"""Replay of staged orders: with common histories, with those of each partition, and by several processes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from decision_engine.history.stream_features import StreamFeatures
from decision_engine.replay.orders import Partition, StoredDecision
from decision_engine.replay.replayer import KnownPast
from decision_engine.ruleset import parse_ruleset
from fraud_detector.replay import processes
from fraud_detector.replay.processes import replay_partitions
from fraud_detector.replay.results import DifferingOrder, ReplayResult
from fraud_detector.replay.staged_orders import StagedOrders
from fraud_detector.stream.order_evaluator import OrderEvaluator
from order_contract.decision import OrderRow
from order_contract.decoding.decoder import EventDecoder
from simulation.fakes import FakeMessage
from tests.support.plain_order import plain_order

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PARTITIONS, ORDERS = 3, 1_300
CHANGED = "o700"
RULESET = parse_ruleset(
    """
    review_at: 50
    decline_at: 90
    features: {orders: {aggregate: count, key: user_id, window: 30d}}
    rules: [{id: many, description: "{orders} orders", when: orders > 20, severity: low, score: 60}]
    """,
    "rules.yaml",
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Staged orders of one detector, in the sequence of their partitions; of one the risk score was changed."""
    evaluator = OrderEvaluator(EventDecoder(), RULESET, StreamFeatures(RULESET.features))
    staged = StagedOrders(tmp_path / "orders")
    for number in range(ORDERS):
        created = (NOW + timedelta(seconds=number)).isoformat()
        order = plain_order(f"o{number}", user_id=f"U{number % 7}", created_date=created)
        message = FakeMessage(number // 10 % PARTITIONS, number, orjson.dumps(order))
        row = evaluator.evaluate(message, NOW)
        assert isinstance(row, OrderRow)
        score = 99 if row.order_id == CHANGED else row.risk_score
        decision = StoredDecision(
            row.seen, None, row.status, row.outcome, score, row.hits, row.features, row.ruleset_version
        )
        staged.add([(Partition(1, row.source_partition), row.source_offset, row.event(), decision)])
    staged.finish()
    staged.close()
    return tmp_path / "orders"


@pytest.mark.parametrize("count", [1, 2, 8])
@pytest.mark.parametrize("few", [processes.FEW_TAKEN_BACK, -(10**6)], ids=["common", "own"])
def test_all_orders_are_decided_again_once(file: Path, count: int, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "FEW_TAKEN_BACK", few)
    reports = list(replay_partitions(KnownPast({RULESET.version: RULESET}), file, count))
    result = ReplayResult()
    for report in reports:
        if isinstance(report, ReplayResult):
            result.add(report)
    assert (result.total.decided, result.total.differing, result.total.not_decided) == (ORDERS, 1, {})
    assert sum(report for report in reports if isinstance(report, int)) == ORDERS
    (order,) = [report for report in reports if isinstance(report, DifferingOrder)]
    assert (order.order_id, [each.field for each in order.differences]) == (CHANGED, ["risk_score"])


def test_a_process_that_dies_ends_the_replay(file: Path) -> None:
    past = KnownPast({RULESET.version: None})  # type: ignore[dict-item]
    with pytest.raises(RuntimeError, match="a process of the replay ended with 1"):
        list(replay_partitions(past, file, 2))
