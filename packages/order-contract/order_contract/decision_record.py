"""The record format of topic `decisions`: key, value and header of a stored order's decision.

The value is the decision, as those see it who watch the stream. The header `order` is the order that was decided, for
the feature states of other detectors: they read this topic rather than `orders`, as it names only what is stored.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson

from order_contract.compiled_modules import require_current
from order_contract.decision import OrderRow
from order_contract.event import OrderEvent, event_from_columns
from order_contract.origin import Origin
from order_contract.seen import decode_seen

try:
    from order_contract import compiled_json
except ImportError:
    compiled_json = None  # type: ignore[assignment]
else:
    require_current(compiled_json)

RECORDS_ARE_COMPILED: Final = compiled_json is not None

ORDER_HEADER: Final = "order"

_EVENT_FIELDS: Final = len(OrderEvent._fields)
_FIRST_SHARED: Final = OrderRow._fields.index("ruleset_version")
_OFFSET: Final = OrderRow._fields.index("source_offset")
_TIMES: Final = tuple(OrderEvent._fields.index(name) for name in ("created_date", "account_created_date"))


def decision_key(order_id: str) -> bytes:
    """The key of an order's decision."""
    return order_id.encode()


def decision_json(row: OrderRow) -> bytes:
    """The value of a decision, by Python alone.

    Put together as text, as orjson takes three times as long for the whole: most members are JSON already, or the same
    for all rows of a batch.
    """
    offset = str(row.source_offset)
    before, after = _shared_members(row[_FIRST_SHARED:_OFFSET])
    return (
        f'{{"order_id":{_quoted(row.order_id)},"user_id":{_quoted(row.user_id)},"status":"{row.status}",'
        f'"outcome":"{row.outcome}","risk_score":{row.risk_score},"hits":{row.hits},"features":{row.features},'
        f'"seen":{before}{"" if row.seen is None else offset}{after}{offset}}}'
    ).encode()


@lru_cache(maxsize=1_000)
def _shared_members(columns: tuple[Any, ...]) -> tuple[str, str]:
    """What follows `"seen":` and does not differ within a batch: before the order's own offset in it, and after that.

    The second part ends with the name of the last member, the offset.
    """
    version, decided_at, seen, lists_seen, topic, epoch, partition = columns
    before, after = "null", ""
    if seen is not None:
        numbers = decode_seen(seen, partition, 0)
        before = f"[{''.join(f'{number},' for number in numbers[:partition])}"
        after = f"{''.join(f',{number}' for number in numbers[partition + 1 :])}]"
    members = {
        # Left out without lists, so that what earlier releases published is still what is stored.
        **({} if lists_seen is None else {"lists_seen": lists_seen}),
        "ruleset_version": version,
        "decided_at": decided_at,
        "topic": topic,
        "topic_epoch": epoch,
        "partition": partition,
    }
    return before, f'{after},{orjson.dumps(members, option=orjson.OPT_UTC_Z).decode()[1:-1]},"offset":'


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()


def event_json(row: OrderRow) -> bytes:
    """The values of OrderEvent's fields as a JSON array, by Python alone."""
    return orjson.dumps(row[:_EVENT_FIELDS])


encode_decision: Final[Callable[[OrderRow], bytes]] = (
    compiled_json.DecisionWriter(OrderRow._fields, _shared_members).write if RECORDS_ARE_COMPILED else decision_json
)
"""The value for a stored row: a pure function of it, so publishing again gives the same bytes."""
encode_event: Final[Callable[[OrderRow], bytes]] = (
    compiled_json.ValueWriter(_EVENT_FIELDS).write if RECORDS_ARE_COMPILED else event_json
)
"""The values of OrderEvent's fields as a JSON array, a tenth of an object's cost."""


def decision_headers(row: OrderRow) -> list[tuple[str, bytes]]:
    """The headers for a stored row: the order's event."""
    return [(ORDER_HEADER, encode_event(row))]


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
