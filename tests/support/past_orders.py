"""Decided orders of past days, without a broker.

The producer's orders go through the detector's own evaluator and store, so the rows are those of the stream.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice

from decision_engine.history.stream_features import StreamFeatures
from decision_engine.ruleset import Ruleset, load_ruleset
from fraud_detector.stream.batch import Batch
from fraud_detector.stream.order_evaluator import OrderEvaluator
from fraud_detector.stream.postgres_store import PostgresStore
from marketplace_simulator import World
from marketplace_simulator.generator import GeneratorConfig, past_orders
from order_contract.dead_letter_record import RejectedMessage
from order_contract.decoding.decoder import EventDecoder

BATCH = 10_000


@dataclass(frozen=True, slots=True)
class PastMessage:
    """A message as if it had been consumed."""

    offset: int
    key: bytes | None
    value: bytes | None
    partition: int = 0
    timestamp: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()
    topic: str = "orders"


async def store_past_orders(
    database_url: str,
    start: date,
    days: int,
    orders: int,
    *,
    seed: int = 1,
    ruleset: Ruleset | None = None,
    topic: str = "orders",
) -> None:
    """Store `orders` orders over `days` business dates from `start` on, decided by the default rules or others."""
    ruleset = ruleset or load_ruleset()
    history = StreamFeatures(ruleset.features) if ruleset.features else None
    evaluator = OrderEvaluator(EventDecoder(), ruleset, history)
    store = PostgresStore(database_url, topic=topic, rulesets=[ruleset])
    messages = enumerate(past_orders(GeneratorConfig(World(), seed=seed), start, days, orders))
    try:
        while chunk := list(islice(messages, BATCH)):
            batch = Batch()
            for offset, message in chunk:
                consumed = PastMessage(offset, message.key, message.value, topic=topic)
                row = evaluator.evaluate(consumed, datetime.now(UTC))
                assert not isinstance(row, RejectedMessage)
                batch.orders.append((row, consumed))
            await store.store(batch)
    finally:
        await store.close()
