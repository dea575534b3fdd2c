"""Sections of the explanation of a message that is not stored as an order: a duplicate, conflict or dead letter."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from order_contract.dead_letter_record import ERROR, ERROR_TYPE
from order_contract.decision import OrderRow
from order_contract.decoding.decoder import EventDecoder
from order_contract.event import BadEvent, OrderEvent
from order_contract.message import append_time
from order_contract.outcomes import MessageOutcome
from order_platform.kafka.topic_reader import Missing
from orderwatch.explain.evidence import UnstoredMessage, UnstoredMessageEvidence
from orderwatch.explain.explanation import Difference, Section
from orderwatch.explain.sections import MESSAGE_SECTION, content_differences, message_facts, missing_message_section


def unstored_message_section(evidence: UnstoredMessageEvidence) -> Section:
    """What is recorded of the message, compared with its bytes."""
    unstored, row = evidence.unstored, evidence.row
    recorded = _describe_record(unstored)
    if isinstance(evidence.message, Missing):
        return replace(recorded, notes=["without the message there is nothing to decode"])
    try:
        event = _decoder(row).decode(
            evidence.message.value, append_time(evidence.message.timestamp, unstored.recorded_at)
        )
    except BadEvent as error:
        return _compare_error(recorded, unstored, error)
    if unstored.outcome is MessageOutcome.DEAD_LETTER:
        return replace(recorded, notes=["the decoder accepts it now: published again, it would be decided"])
    if row is None:
        return replace(recorded, notes=[f"no order {event.order_id!r} is stored"])
    return (
        _compare_duplicate(recorded, row, event)
        if unstored.outcome is MessageOutcome.DUPLICATE
        else _compare_conflict(recorded, row, event)
    )


def _decoder(row: OrderRow | None) -> EventDecoder:
    """A decoder that keeps the payment method of the stored order as it is: it may be one that was added by setting."""
    return EventDecoder(() if row is None else (row.payment_method,))


def _describe_record(unstored: UnstoredMessage) -> Section:
    facts = {
        "outcome": unstored.outcome,
        "order_id": unstored.order_id,
        "error_type": unstored.error_type,
        "error": unstored.error,
        "recorded_at": unstored.recorded_at,
    }
    kept = {name: value for name, value in facts.items() if value is not None}
    return Section("unstored_message", f"Recorded as {unstored.outcome}", facts=kept)


def _compare_error(recorded: Section, unstored: UnstoredMessage, error: BadEvent) -> Section:
    if unstored.outcome is not MessageOutcome.DEAD_LETTER:
        found = Difference("message", unstored.outcome, str(error))
        return replace(recorded, checked="its content", here="decoded now", differences=[found])
    facts = {**recorded.facts, "field": error.field}
    if (unstored.error_type, unstored.error) != (error.error_type, str(error)):
        return replace(recorded, facts=facts, notes=[f"the decoder now says: {error}"])
    return replace(recorded, facts=facts, checked="the decoder says the same now")


def _compare_duplicate(recorded: Section, row: OrderRow, event: OrderEvent) -> Section:
    return replace(
        recorded,
        facts={**recorded.facts, "stored_origin": str(row.origin)},
        checked="its content is that of the order that is stored",
        here="this message",
        differences=content_differences(row, event),
    )


def _compare_conflict(recorded: Section, row: OrderRow, event: OrderEvent) -> Section:
    found = content_differences(row, event)
    return replace(
        recorded,
        facts={**recorded.facts, "stored_origin": str(row.origin)},
        rows=[{"field": each.field, "stored": each.stored, "this message": each.here} for each in found],
        checked="its content is not that of the order that is stored",
        here="this message",
        differences=[] if found else [Difference("content", "a conflict", "the same content")],
    )


def dead_letter_section(evidence: UnstoredMessageEvidence) -> Section:
    """The record, compared with the original bytes and the recorded error."""
    record, unstored = evidence.dead_letter, evidence.unstored
    if isinstance(record, Missing):
        return Section("dead_letter", "The record on the dead-letter topic", notes=[record.reason])
    headers = {name: value.decode(errors="replace") for name, value in record.headers}
    found = [
        Difference(name, stored, headers.get(name))
        for name, stored in ((ERROR_TYPE, unstored.error_type), (ERROR, unstored.error))
        if stored != headers.get(name)
    ]
    if not isinstance(evidence.message, Missing) and evidence.message.value != record.value:
        found.append(Difference("value", evidence.message.value, record.value))
    return Section(
        "dead_letter",
        "The record on the dead-letter topic",
        facts={
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "key": record.key,
            "headers": headers,
            # Where the topic of the orders does not keep the bytes any more, they are here.
            **({"value": record.value} if isinstance(evidence.message, Missing) else {}),
        },
        checked="the original bytes and the recorded error",
        here="on the dead-letter topic",
        differences=found,
    )


def unstored_bytes_section(evidence: UnstoredMessageEvidence) -> Section:
    """The message that became no row."""
    if isinstance(evidence.message, Missing):
        return missing_message_section(evidence.unstored.origin, evidence.message)
    return replace(MESSAGE_SECTION, facts=message_facts(evidence.message))


UNSTORED_MESSAGE_SECTIONS: Sequence[Callable[[UnstoredMessageEvidence], Section]] = (
    unstored_bytes_section,
    unstored_message_section,
    dead_letter_section,
)
