"""Evaluation of one message: decoded and decided, it becomes a row to store or a dead letter. Pure."""

from datetime import UTC, datetime
from typing import Any

import orjson

from decision_engine.evaluate import evaluate
from decision_engine.features import EventFeatures, FeatureState
from decision_engine.ruleset import Ruleset
from order_contract.dead_letter_record import RejectedMessage
from order_contract.decision import Decision, OrderRow, decision_columns
from order_contract.decoding.decoder import EventDecoder
from order_contract.event import BadEvent
from order_contract.message import Message, append_time


class OrderEvaluator:
    """Decodes and decides messages by one ruleset; `epoch` is that of the topic from which they are read."""

    def __init__(
        self, decoder: EventDecoder, ruleset: Ruleset, state: FeatureState | None = None, *, epoch: int = 1
    ) -> None:
        self._decoder = decoder
        self._ruleset = ruleset
        self._state = state or EventFeatures()
        self._epoch = epoch
        # Of the previous message, as the next one's are mostly the same.
        self._decision: Decision | None = None
        self._columns: tuple[Any, ...] = ()
        self._timestamp: int | None = None
        self._appended_at = datetime.fromtimestamp(0, UTC)

    def evaluate(self, message: Message, decided_at: datetime) -> OrderRow | RejectedMessage:
        """The row to store for a message, or a dead letter when it is bad data."""
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
        decision = evaluate(event, self._state, self._ruleset)
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
