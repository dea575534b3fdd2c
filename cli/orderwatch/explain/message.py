"""The message: the bytes on topic `orders`, with where they stand and since when."""

from dataclasses import replace
from datetime import UTC, datetime

from order_contract.message import Message
from order_contract.origin import Origin
from orderwatch.explain.evidence import OrderEvidence, RefusalEvidence
from orderwatch.explain.section import Section, differences
from orderwatch.record import Missing


def message_section(evidence: OrderEvidence) -> Section:
    """The message that a stored order was made of."""
    row, message = evidence.row, evidence.message
    if isinstance(message, Missing):
        return _missing(evidence.origin, message)
    return replace(
        _MESSAGE,
        facts=_facts(message),
        checked="the time at which it was appended",
        here="on the topic",
        differences=differences({"appended_at": row.appended_at}, {"appended_at": appended_at(message)}),
    )


def refused_message_section(evidence: RefusalEvidence) -> Section:
    """The message that became no row."""
    if isinstance(evidence.message, Missing):
        return _missing(evidence.refusal.origin, evidence.message)
    return replace(_MESSAGE, facts=_facts(evidence.message))


def appended_at(record: Message) -> datetime:
    """When the broker appended it."""
    return datetime.fromtimestamp(record.timestamp / 1000, UTC)


_MESSAGE = Section("message", "The message on the topic")


def _facts(record: Message) -> dict[str, object]:
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "appended_at": appended_at(record),
        "key": record.key,
        "headers": dict(record.headers),
        "bytes": len(record.value or b""),
        "value": record.value,
    }


def _missing(origin: Origin, message: Missing) -> Section:
    where = {
        "topic": origin.topic, "epoch": origin.epoch, "partition": origin.partition, "offset": origin.offset
    }  # fmt: skip
    return replace(_MESSAGE, facts=where, notes=[message.reason])
