"""The announcement: the record on topic `decisions`, which is a pure function of the stored row."""

import orjson

from order_contract.decision_record import encode_decision
from orderwatch.explain.evidence import OrderEvidence
from orderwatch.explain.nested import from_fields
from orderwatch.explain.section import Difference, Section, differences
from orderwatch.record import Missing


def announced_section(evidence: OrderEvidence) -> Section:
    """The record, compared to the byte with what the stored row gives."""
    record = evidence.announced
    if isinstance(record, Missing):
        return Section("announced", "The record on the decisions topic", notes=[record.reason])
    return Section(
        "announced",
        "The record on the decisions topic",
        facts={
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "bytes": len(record.value or b""),
        },
        checked="identical to the byte with what the stored row gives",
        here="announced",
        differences=_differences(encode_decision(evidence.row), record.value),
    )


# What earlier releases did not publish.
_ADDED = frozenset({"topic", "topic_epoch"})


def _differences(stored: bytes, announced: bytes | None) -> list[Difference]:
    if stored == announced:
        return []
    try:
        fields = orjson.loads(announced or b"")
    except orjson.JSONDecodeError:
        fields = None
    if not isinstance(fields, dict):
        return [Difference("value", stored, announced)]
    expected = orjson.loads(stored)
    if not _ADDED & fields.keys():
        expected = {name: value for name, value in expected.items() if name not in _ADDED}
        if orjson.dumps(expected) == announced:
            return []
    found = differences(from_fields(expected), from_fields(fields))
    return found or [Difference("value", stored, announced)]
