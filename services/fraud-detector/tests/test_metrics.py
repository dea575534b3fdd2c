"""The detector's metrics: what a stored batch adds to them."""

from datetime import UTC, datetime

import orjson
from prometheus_client import generate_latest

from decision_engine.ruleset import load_ruleset
from fraud_detector.stream.batch import Batch, StoreResult
from fraud_detector.stream.metrics import Metrics
from fraud_detector.stream.order_evaluator import OrderEvaluator
from order_contract.decision import OrderRow
from order_contract.decoding.decoder import EventDecoder
from order_contract.reference_data import PaymentMethods
from simulation.fakes import FakeMessage
from tests.support.plain_order import plain_order

NOW = datetime(2026, 11, 28, 5, tzinfo=UTC)


def rows(*methods: str, added: tuple[str, ...] = ()) -> list[OrderRow]:
    evaluator = OrderEvaluator(EventDecoder(added), load_ruleset())
    decided = [
        evaluator.evaluate(FakeMessage(0, offset, orjson.dumps(plain_order(f"o{offset}", payment_method=method))), NOW)
        for offset, method in enumerate(methods)
    ]
    return [row for row in decided if isinstance(row, OrderRow)]


def test_orders_of_unknown_payment_methods_are_decided_and_counted_without_their_names() -> None:
    metrics = Metrics(PaymentMethods(["Klarna"]).names)
    stored = rows("OVO", "go-pay", "klarna", "COD", "cod", "Seashells 17", added=("Klarna",))

    metrics.stored(Batch(), StoreResult(stored), NOW)

    assert [row.payment_method for row in stored] == ["OVO", "GoPay", "Klarna", "COD", "cod", "Seashells 17"]
    text = generate_latest(metrics.registry).decode()
    assert "orderwatch_detector_unknown_payment_methods_total 3.0" in text
    assert "Seashells" not in text
