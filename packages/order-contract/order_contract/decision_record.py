"""The record format of topic `decisions`: key, value and header of a stored order's decision.

The value is the decision, as those see it who watch the stream. The header `order` is the order that was decided, for
the feature states of other detectors: they read this topic rather than `orders`, as it names only what is stored.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import orjson

from order_contract.decision import OrderRow
from order_contract.event import OrderEvent, event_from_columns
from order_contract.origin import Origin
from order_contract.seen import decode_seen

ORDER_HEADER: Final = "order"

_EVENT_FIELDS: Final = len(OrderEvent._fields)
_TIMES: Final = tuple(OrderEvent._fields.index(name) for name in ("created_date", "account_created_date"))


def decision_key(order_id: str) -> bytes:
    """The key of an order's decision."""
    return order_id.encode()


def encode_decision(row: OrderRow) -> bytes:
    """The value for a stored row: a pure function of it, so publishing again gives the same bytes."""
    return orjson.dumps(
        {
            "order_id": row.order_id,
            "user_id": row.user_id,
            "status": row.status,
            "outcome": row.outcome,
            "risk_score": row.risk_score,
            "hits": orjson.Fragment(row.hits),
            "features": orjson.Fragment(row.features),
            "seen": None if row.seen is None else decode_seen(row.seen, row.source_partition, row.source_offset),
            # Left out without lists, so that what earlier releases published is still what is stored.
            **({} if row.lists_seen is None else {"lists_seen": row.lists_seen}),
            "ruleset_version": row.ruleset_version,
            "decided_at": row.decided_at,
            "topic": row.source_topic,
            "topic_epoch": row.source_epoch,
            "partition": row.source_partition,
            "offset": row.source_offset,
        },
        option=orjson.OPT_UTC_Z,
    )


def decision_headers(row: OrderRow) -> list[tuple[str, bytes]]:
    """The headers for a stored row: the values of OrderEvent's fields as a JSON array, a tenth of an object's cost."""
    return [(ORDER_HEADER, orjson.dumps(row[:_EVENT_FIELDS]))]


class PublishedOrder(NamedTuple):
    """An order as a record of topic `decisions` has it: the event, and where on topic `orders` it came from.

    Records of the first release have no event.
    """

    event: OrderEvent | None
    origin: Origin


def read_published_order(value: bytes | None, headers: Iterable[tuple[str, bytes]]) -> PublishedOrder | None:
    """The order of a record; None for a record that is not a decision."""
    try:
        decision = orjson.loads(value or b"")
        origin = Origin(decision["topic"], decision["partition"], decision["offset"], decision["topic_epoch"])
        order = dict(headers).get(ORDER_HEADER)
        return PublishedOrder(None if order is None else _read_event(order), origin)
    except (ValueError, LookupError, TypeError):
        return None


def _read_event(order: bytes) -> OrderEvent:
    fields: list[Any] = orjson.loads(order)
    for position in _TIMES:
        if fields[position] is not None:
            fields[position] = datetime.fromisoformat(fields[position]).astimezone(UTC)
    return event_from_columns(fields)
