"""The refusal: why a message became no row, as it is recorded and by what its bytes say now."""

from dataclasses import replace

from order_contract.decision import OrderRow
from order_contract.decoding.decoder import EventDecoder
from order_contract.event import BadEvent, OrderEvent
from order_contract.message import append_time
from order_contract.outcomes import MessageOutcome
from orderwatch.explain.event import content_differences
from orderwatch.explain.evidence import Refusal, RefusalEvidence
from orderwatch.explain.section import Difference, Section
from orderwatch.record import Missing


def refusal_section(evidence: RefusalEvidence) -> Section:
    """What is recorded of the message, held against its bytes."""
    refusal, row = evidence.refusal, evidence.row
    recorded = _recorded(refusal)
    if isinstance(evidence.message, Missing):
        return replace(recorded, notes=["without the message there is nothing to decode"])
    try:
        event = _decoder(row).decode(
            evidence.message.value, append_time(evidence.message.timestamp, refusal.recorded_at)
        )
    except BadEvent as error:
        return _bad(recorded, refusal, error)
    if refusal.outcome is MessageOutcome.DEAD_LETTER:
        return replace(recorded, notes=["the decoder takes it now: published again, it would be decided"])
    if row is None:
        return replace(recorded, notes=[f"no order {event.order_id!r} is stored"])
    return (
        _duplicate(recorded, row, event)
        if refusal.outcome is MessageOutcome.DUPLICATE
        else _conflict(recorded, row, event)
    )


def _decoder(row: OrderRow | None) -> EventDecoder:
    """A decoder that keeps the payment method of the stored order as it is: it may be one that was added by setting."""
    return EventDecoder(() if row is None else (row.payment_method,))


def _recorded(refusal: Refusal) -> Section:
    facts = {
        "outcome": refusal.outcome,
        "order_id": refusal.order_id,
        "error_type": refusal.error_type,
        "error": refusal.error,
        "recorded_at": refusal.recorded_at,
    }
    kept = {name: value for name, value in facts.items() if value is not None}
    return Section("refusal", f"Recorded as {refusal.outcome}", facts=kept)


def _bad(recorded: Section, refusal: Refusal, error: BadEvent) -> Section:
    if refusal.outcome is not MessageOutcome.DEAD_LETTER:
        found = Difference("message", refusal.outcome, str(error))
        return replace(recorded, checked="its content", here="decoded now", differences=[found])
    facts = {**recorded.facts, "field": error.field}
    if (refusal.error_type, refusal.error) != (error.error_type, str(error)):
        return replace(recorded, facts=facts, notes=[f"the decoder now says: {error}"])
    return replace(recorded, facts=facts, checked="the decoder says the same now")


def _duplicate(recorded: Section, row: OrderRow, event: OrderEvent) -> Section:
    return replace(
        recorded,
        facts={**recorded.facts, "stands_since": str(row.origin)},
        checked="its content is that of the order which stands",
        here="this message",
        differences=content_differences(row, event),
    )


def _conflict(recorded: Section, row: OrderRow, event: OrderEvent) -> Section:
    found = content_differences(row, event)
    return replace(
        recorded,
        facts={**recorded.facts, "stands_since": str(row.origin)},
        rows=[{"field": each.field, "stands": each.stored, "this message": each.here} for each in found],
        checked="its content is not that of the order which stands",
        here="this message",
        differences=[] if found else [Difference("content", "a conflict", "the same content")],
    )
