"""From one message to what is to be stored of it: a decided order, or a dead letter. Pure."""

from datetime import UTC, datetime
from typing import Any

import orjson

from decision_engine.engine import Engine
from decision_engine.features import features_of
from order_contract.dead_letter_record import RejectedMessage
from order_contract.decision import Decision, OrderRow
from order_contract.decoding.decoder import EventDecoder
from order_contract.event import BadEvent
from order_contract.message import Message, append_time


class Judge:
    """Decodes and decides messages by one ruleset; `epoch` is that of the topic which they are read from."""

    def __init__(self, decoder: EventDecoder, engine: Engine, epoch: int = 1) -> None:
        self._decoder = decoder
        self._engine = engine
        self._epoch = epoch
        # The last ones, as the next message's are mostly the same.
        self._decision: Decision | None = None
        self._columns: tuple[Any, ...] = ()
        self._timestamp: int | None = None
        self._appended_at = datetime.fromtimestamp(0, UTC)

    @property
    def ruleset_version(self) -> str:
        return self._engine.ruleset.version

    def judge(self, message: Message, decided_at: datetime) -> OrderRow | RejectedMessage:
        """What becomes of a message: the row to store, or a dead letter when it is bad data."""
        if message.timestamp != self._timestamp:  # the broker stamps whole batches
            self._timestamp = message.timestamp
            self._appended_at = append_time(message.timestamp, decided_at)
        try:
            event = self._decoder.decode(message.value, self._appended_at)
        except BadEvent as error:
            return RejectedMessage(
                message,
                error.error_type,
                str(error),
                error.field,
                error.order_id,
                fields=error.fields,
                epoch=self._epoch,
            )
        decision = self._engine.decide(event, features_of(event))
        if decision is not self._decision:
            self._decision, self._columns = decision, decision_columns(decision)
        attributes = None if event.attributes is None else orjson.dumps(event.attributes).decode()
        return OrderRow._make(
            (
                *event[:-1],
                attributes,
                *self._columns,
                decided_at,
                message.topic,
                self._epoch,
                message.partition,
                message.offset,
                self._appended_at,
            )
        )


def decision_columns(decision: Decision) -> tuple[Any, ...]:
    """The columns `status` to `ruleset_version` of a row."""
    hits = decision.hits
    return (
        decision.status,
        decision.outcome,
        decision.risk_score,
        orjson.dumps(hits).decode() if hits else "[]",
        [hit["rule"] for hit in hits] if hits else None,
        orjson.dumps(decision.features).decode(),
        decision.ruleset_version,
    )
