"""The dead letter: the record on topic `orders.dlq`, with the original bytes and the error in its headers."""

from order_contract.dead_letter_record import ERROR, ERROR_TYPE
from orderwatch.explain.evidence import RefusalEvidence
from orderwatch.explain.section import Difference, Section
from orderwatch.record import Missing


def dead_letter_section(evidence: RefusalEvidence) -> Section:
    """The record, compared with the original bytes and the recorded error."""
    record, refusal = evidence.dead_letter, evidence.refusal
    if isinstance(record, Missing):
        return Section("dead_letter", "The record on the dead-letter topic", notes=[record.reason])
    headers = {name: value.decode(errors="replace") for name, value in record.headers}
    found = [
        Difference(name, stored, headers.get(name))
        for name, stored in ((ERROR_TYPE, refusal.error_type), (ERROR, refusal.error))
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
