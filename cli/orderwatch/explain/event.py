"""The event: what the decoder makes of the message now, against the stored columns."""

from functools import lru_cache
from typing import Any

import orjson

from order_contract.decision import OrderRow
from order_contract.decoding.decoder import MAX_FUTURE_HOURS, EventDecoder
from order_contract.event import BadEvent, OrderEvent, same_numbers
from orderwatch.explain.evidence import OrderEvidence
from orderwatch.explain.section import Difference, Section, differences
from orderwatch.record import Missing


def event_section(evidence: OrderEvidence) -> Section:
    """The decoded event, each field compared with its column."""
    row, message = evidence.row, evidence.message
    if isinstance(message, Missing):
        return Section("event", "The event, decoded now", notes=["without the message there is nothing to decode"])
    checked, here = "each field with its column", "decoded now"
    try:
        event = stored_decoder(row.payment_method).decode(message.value, row.appended_at)
    except BadEvent as error:
        found = [Difference(error.field or "message", "an order", str(error))]
        return Section("event", "The event, decoded now", checked=checked, here=here, differences=found)
    return Section(
        "event",
        "The event, decoded now",
        facts={name: value for name, value in event._asdict().items() if value is not None},
        checked=checked,
        here=here,
        differences=event_differences(row, event),
    )


def event_differences(row: OrderRow, event: OrderEvent) -> list[Difference]:
    """The fields in which a stored order and its message's event are not the same, to the byte."""
    stored = dict(zip(OrderEvent._fields[:-1], row, strict=False))
    found = differences(stored, dict(zip(OrderEvent._fields[:-1], event, strict=False)))
    text = None if event.attributes is None else orjson.dumps(event.attributes).decode()
    if text != row.attributes:
        by_name = differences(_attributes(row.attributes), _attributes(text))
        found += by_name or [Difference("attributes", row.attributes, text)]
    return found


@lru_cache(maxsize=100)
def stored_decoder(payment_method: str) -> EventDecoder:
    """A decoder for an order that is stored, with whatever payment methods and bound on times its detector was set."""
    return EventDecoder((payment_method,), max_future_hours=MAX_FUTURE_HOURS)


def content_differences(row: OrderRow, event: OrderEvent) -> list[Difference]:
    """The fields in which a stored order and another message's event differ in content, whatever the spelling."""
    stored, here = (_content(each) for each in (row.event(), event))
    return differences(stored, here)


def _content(event: OrderEvent) -> dict[str, object]:
    return {**dict(zip(OrderEvent._fields[:-1], event, strict=False)), **_each_as_json(same_numbers(event.attributes))}


def _each_as_json(attributes: dict[str, Any] | None) -> dict[str, object]:
    dumped = ((name, orjson.dumps(value, option=orjson.OPT_SORT_KEYS)) for name, value in (attributes or {}).items())
    return {f"attributes.{name}": text.decode() for name, text in dumped}


def _attributes(text: str | None) -> dict[str, object]:
    """Each attribute as JSON, so that 1, 1.0 and true are told apart."""
    values = orjson.loads(text or "{}")
    if not isinstance(values, dict):
        return {"attributes": text}
    return {f"attributes.{name}": orjson.dumps(value).decode() for name, value in values.items()}
