"""The detector's metrics: what a stored batch adds to them."""

from datetime import UTC, datetime

import orjson
from prometheus_client import generate_latest

from decision_engine.engine import Engine
from decision_engine.ruleset import load_ruleset
from fraud_detector.stream.batch import Batch, Stored
from fraud_detector.stream.judge import Judge
from fraud_detector.stream.metrics import Metrics
from order_contract.decision import OrderRow
from order_contract.decoding.decoder import EventDecoder
from order_contract.reference_data import PaymentMethods
from tests.simulation.fakes import FakeMessage
from tests.support.plain_order import plain_order

NOW = datetime(2026, 11, 28, 5, tzinfo=UTC)


def rows(*methods: str, added: tuple[str, ...] = ()) -> list[OrderRow]:
    judge = Judge(EventDecoder(added), Engine(load_ruleset()))
    judged = [
        judge.judge(FakeMessage(0, offset, orjson.dumps(plain_order(f"o{offset}", payment_method=method))), NOW)
        for offset, method in enumerate(methods)
    ]
    return [row for row in judged if isinstance(row, OrderRow)]


def test_orders_of_unknown_payment_methods_are_decided_and_counted_without_their_names() -> None:
    metrics = Metrics(PaymentMethods(["Klarna"]).names)
    stored = rows("OVO", "go-pay", "klarna", "COD", "cod", "Seashells 17", added=("Klarna",))

    metrics.stored(Batch(), Stored(stored), NOW)

    assert [row.payment_method for row in stored] == ["OVO", "GoPay", "Klarna", "COD", "cod", "Seashells 17"]
    text = generate_latest(metrics.registry).decode()
    assert "orderwatch_detector_unknown_payment_methods_total 3.0" in text
    assert "Seashells" not in text
