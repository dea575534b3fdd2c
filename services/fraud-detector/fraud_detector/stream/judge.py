"""From one message to what is to be stored of it: a decided order, or a dead letter. Pure."""

from datetime import UTC, datetime

import orjson

from fraud_detector.rules.engine import Engine
from fraud_detector.rules.features import features_of
from fraud_detector.stream.message import DeadLetter, Message
from order_contract.decision import OrderRow, status_of
from order_contract.event import BadEvent, EventDecoder


class Judge:
    """Decodes and decides messages by one ruleset."""

    def __init__(self, decoder: EventDecoder, engine: Engine) -> None:
        self._decoder = decoder
        self._engine = engine
        self._timestamp = 0
        self._appended_at = datetime.fromtimestamp(0, UTC)

    @property
    def ruleset_version(self) -> str:
        return self._engine.ruleset.version

    def judge(self, message: Message, decided_at: datetime) -> OrderRow | DeadLetter:
        """What becomes of a message: the row to store, or a dead letter when it is bad data."""
        try:
            event = self._decoder.decode(message.value)
        except BadEvent as error:
            return DeadLetter(message, error.error_type, str(error), error.field, error.order_id)
        decision = self._engine.decide(event, features_of(event))
        hits = decision.hits
        if message.timestamp != self._timestamp:  # the broker stamps whole batches
            self._timestamp = message.timestamp
            self._appended_at = datetime.fromtimestamp(message.timestamp / 1000, UTC)
        return OrderRow._make(
            (
                *event[:-1],
                None if event.attributes is None else orjson.dumps(event.attributes).decode(),
                status_of(decision.outcome),
                decision.outcome,
                decision.risk_score,
                orjson.dumps(hits).decode() if hits else "[]",
                [hit["rule"] for hit in hits] if hits else None,
                orjson.dumps(decision.features).decode(),
                decision.ruleset_version,
                decided_at,
                message.partition,
                message.offset,
                self._appended_at,
            )
        )
