"""Evaluation of messages: each is decoded, decided and counted, and becomes a row to store or a dead letter. Pure."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from decision_engine.evaluate import decide
from decision_engine.features import EventFeatures, Features
from decision_engine.history.stream_features import StreamFeatures
from decision_engine.lists import ListFeatures, ListMembers
from decision_engine.rollout import Rollout, RolloutEvaluator
from decision_engine.ruleset import Ruleset
from fraud_detector.stream.batch import Batch
from fraud_detector.stream.recent_orders import RecentOrders
from order_contract.dead_letter_record import RejectedMessage
from order_contract.decision import DECISION_COLUMNS, Decision, OrderRow, decision_columns
from order_contract.decoding.decoder import EventDecoder
from order_contract.event import BadEvent, OrderEvent
from order_contract.message import Message, append_time

_FIRST_DECIDED = OrderRow._fields.index(DECISION_COLUMNS[0])
_AFTER_SEEN = OrderRow._fields.index("lists_seen") + 1
ORDERS_AT_ONCE = 100
_EVENT_FEATURES = EventFeatures()


class OrderEvaluator:
    """Decodes and decides messages by one ruleset; `epoch` is that of the topic from which they are read.

    With `history`, each order counts in the features of those decided after it; a repeat of one of the `recent` orders,
    which the evaluators of a detector share, does not. With `lists`, orders are in those that they are members of when
    they are decided. During a roll-out its candidate decides the orders of some users, and the histories have the
    features of both rulesets.
    """

    def __init__(
        self,
        decoder: EventDecoder,
        ruleset: Ruleset,
        history: StreamFeatures | None = None,
        lists: ListMembers | None = None,
        *,
        rollout: Rollout | None = None,
        epoch: int = 1,
        recent: RecentOrders | None = None,
    ) -> None:
        self._decoder = decoder
        self._ruleset = ruleset
        self._history = history
        self._lists = None if lists is None else ListFeatures(history or _EVENT_FEATURES, lists, ruleset)
        self._rollout = None if rollout is None else RolloutEvaluator(ruleset, rollout, lists)
        self._epoch = epoch
        self._recent = recent or RecentOrders()
        # Of the previous message, as the next one's are mostly the same.
        self._decision: Decision | None = None
        self._columns: tuple[Any, ...] = ()
        self._latest: tuple[OrderEvent, Features] | None = None
        self._timestamp: int | None = None
        self._appended_at = datetime.fromtimestamp(0, UTC)

    def evaluate(
        self, message: Message, decided_at: datetime, uncounted: set[tuple[int, int]] | None = None
    ) -> OrderRow | RejectedMessage:
        """The row to store for a message, or a dead letter when it is bad data.

        Adds the (partition, offset) to `uncounted` when its order does not count in history features.
        """
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
        if self._history is None:
            self._recent.note(event.order_id)  # for the histories of what may decide next
            counts = False
        else:
            counts = self._is_new(event.order_id, message, self._history)
        if not counts and uncounted is not None:
            uncounted.add((message.partition, message.offset))
        columns, seen, lists_seen = self._decide(event, message, counts=counts)
        attributes = event.attributes
        given = event if attributes is None else (*event[:-1], orjson.dumps(attributes).decode())
        # The same as the constructor, in a quarter of its time.
        return tuple.__new__(
            OrderRow,
            given
            + columns
            + (
                decided_at,
                seen,
                lists_seen,
                message.topic,
                self._epoch,
                message.partition,
                message.offset,
                self._appended_at,
            ),
        )

    @property
    def history(self) -> StreamFeatures | None:
        """The histories that features see; None without such features."""
        return self._history

    def time_rules(self, clock: Callable[[], float]) -> Mapping[str, float]:
        """The seconds that each rule takes on the order that was decided last; empty before the first."""
        seconds = {}
        if self._latest is not None:
            event, features = self._latest
            for rule in self._ruleset.active:
                start = clock()
                rule.condition(event, features)
                seconds[rule.id] = clock() - start
        return seconds

    @property
    def has_history(self) -> bool:
        """Whether features see other orders."""
        return self._history is not None

    def _is_new(self, order_id: str, message: Message, history: StreamFeatures) -> bool:
        """Whether an order may be stored by this message, as far as is known here.

        It was read before when it counts already; and of two messages with one id, the second is not stored.
        """
        return not self._recent.is_repeated(order_id) and not history.has_read(message.partition, message.offset)

    def were_not_stored(self, letters: Iterable[RejectedMessage]) -> None:
        """Orders that the store rejected: another message with the id of one may be stored."""
        self._recent.forget([letter.order_id for letter in letters if letter.order_id is not None])

    def note_start(self, batch: Batch, partition: int) -> None:
        """Messages of a partition are about to be decided for a batch."""
        if self._history is not None:
            batch.read_before.setdefault(partition, self._history.next_offsets.get(partition, 0))

    def drop(self, batches: Sequence[Batch]) -> None:
        """Take back the orders of these batches, which are not stored here: when they are read again, they are new."""
        self.take_back(batches)
        self._recent.forget([row.order_id for batch in batches for row, _ in batch.orders])

    def decide_again(self, batches: Sequence[Batch], uncounted: Collection[tuple[int, int]]) -> Iterator[None]:
        """Decide the orders of batches again from the first of those on that are not to count: some of the first batch.

        The batches are the latest that were decided, none of them is stored. Their rows are replaced; those decided
        before stay, as nothing changes for them. `uncounted` has a (partition, offset) each. Yields from time to time,
        so that it can be spread; nothing else may be decided in the meantime.
        """
        first, *later = batches
        origins = [(message.partition, message.offset) for _, message in first.orders]
        start = min(index for index, origin in enumerate(origins) if origin in uncounted)
        self.take_back(later)
        self._remove(first, start)
        first.uncounted.update(uncounted)
        first.redecided = start
        for batch in later:
            batch.redecided = 0
        for batch in batches:
            for index in range(batch.redecided or 0, len(batch.orders)):
                row, message = batch.orders[index]
                counts = (message.partition, message.offset) not in batch.uncounted
                columns, *all_seen = self._decide(row.event(), message, counts=counts)
                again = (*row[:_FIRST_DECIDED], *columns, row.decided_at, *all_seen, *row[_AFTER_SEEN:])
                batch.orders[index] = OrderRow._make(again), message
                batch.redecided = index + 1
                if index % ORDERS_AT_ONCE == ORDERS_AT_ONCE - 1:
                    yield
            batch.redecided = None
            self.advance(batch.next_offsets)

    def take_back(self, batches: Sequence[Batch]) -> None:
        """Count none of the orders of these batches any more: they are the latest that were decided."""
        if self._history is not None:
            for batch in reversed(batches):
                self._remove(batch, 0)
                # What did not count may be read again, too, and count then.
                for partition, offset in batch.read_before.items():
                    self._history.rewind(partition, offset)

    def _remove(self, batch: Batch, start: int) -> None:
        """Count none of a batch's orders from one on any more, the last ones first."""
        assert self._history is not None
        for row, message in reversed(batch.decided()[start:]):
            if (message.partition, message.offset) not in batch.uncounted:
                self._history.remove(row.event(), message.partition, message.offset)

    def advance(self, next_offsets: Mapping[int, int]) -> None:
        """Everything before these offsets, by partition, was decided."""
        if self._history is not None:
            for partition, offset in next_offsets.items():
                self._history.advance(partition, offset)

    def _decide(
        self, event: OrderEvent, message: Message, *, counts: bool
    ) -> tuple[tuple[Any, ...], bytes | None, int | None]:
        """The columns of the decision on an event, and what had been seen: offsets, and the last change of lists."""
        history, seen = self._history, None
        if history is None:
            features = _EVENT_FEATURES.features(event)
        else:
            seen = history.seen(message.partition)
            if counts and not history.has_read(message.partition, message.offset):
                features = history.count(event, message.partition, message.offset)
            else:
                features = history.features(event)
        if self._rollout is not None:
            decision, lists_seen = self._rollout.decide(event, features), self._rollout.lists_seen
            if decision.ruleset_version == self._ruleset.version:
                self._latest = event, decision.features
        else:
            lists_seen = None
            if self._lists is not None:
                features, lists_seen = self._lists.with_lists(event, features), self._lists.seen
            decision = decide(event, features, self._ruleset)
            self._latest = event, features
        if decision is not self._decision:
            self._decision, self._columns = decision, decision_columns(decision)
        return self._columns, seen, lists_seen
