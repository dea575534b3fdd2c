"""Batches of labels: messages of topic `labels`, decoded."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from fraud_detector.stream.batch import Gap
from order_contract.dead_letter_record import RejectedMessage
from order_contract.event import BadEvent
from order_contract.label import LabelEvent
from order_contract.label_record import decode_label, latest_verdict
from order_contract.message import Message, append_time
from order_contract.origin import Origin


class RecordedLabel(NamedTuple):
    """A label event, with its place on topic `labels`."""

    event: LabelEvent
    origin: Origin
    appended_at: datetime


@dataclass(slots=True)
class LabelBatch:
    """Messages of some partitions: labels and bad data, in offset order within each partition.

    `next_offsets` is what may be committed once everything here is stored and published.
    """

    labels: list[RecordedLabel] = field(default_factory=list)
    dead_letters: list[RejectedMessage] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    next_offsets: dict[int, int] = field(default_factory=dict)


def read_label(message: Message, epoch: int, now: datetime) -> RecordedLabel | RejectedMessage:
    """The label of a message, or a dead letter when it is bad data.

    It depends on the message alone, so that all who read it agree; `now` replaces an append time that is not valid.
    """
    appended_at = append_time(message.timestamp, now)
    try:
        event = decode_label(message.value, latest_verdict(appended_at))
    except BadEvent as error:
        return RejectedMessage(
            message, error.error_type, str(error), error.field, error.order_id, fields=error.fields, epoch=epoch
        )
    return RecordedLabel(event, Origin(message.topic, message.partition, message.offset, epoch), appended_at)


def read_batch(
    polled: Mapping[int, Sequence[Message]], expected: Mapping[int, int], epoch: int, now: datetime
) -> LabelBatch:
    """The batch of what was polled; `expected` are the offsets that come next, by partition."""
    batch = LabelBatch()
    for partition, messages in polled.items():
        for read in (read_label(message, epoch, now) for message in messages):
            if isinstance(read, RejectedMessage):
                batch.dead_letters.append(read)
            else:
                batch.labels.append(read)
        batch.gaps += _gaps(partition, expected.get(partition, messages[0].offset), messages)
        batch.next_offsets[partition] = messages[-1].offset + 1
    return batch


def _gaps(partition: int, expected: int, messages: Iterable[Message]) -> list[Gap]:
    gaps = []
    for message in messages:
        if message.offset > expected:
            gaps.append(Gap(partition, expected, message.offset, "not on the topic"))
        expected = message.offset + 1
    return gaps
