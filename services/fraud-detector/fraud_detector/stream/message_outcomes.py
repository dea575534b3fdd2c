"""Tables `stream_outcomes` and `stream_gaps`: messages that are not stored rows, and offsets without a message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import asyncpg

from fraud_detector.stream.batch import Gap
from order_contract.dead_letter_record import RejectedMessage
from order_contract.outcomes import MessageOutcome

Outcome = tuple[int, int, MessageOutcome, str | None, str | None, str | None]
"""Partition, offset, outcome, order_id, error type and error of a message."""

_OUTCOMES: Final = """
    insert into stream_outcomes (topic, epoch, partition, "offset", outcome, order_id, error_type, error)
    select $1, $2, * from unnest($3::integer[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[])
    on conflict do nothing
"""
_GAPS: Final = """
    insert into stream_gaps (topic, epoch, partition, first_offset, next_offset, reason)
    select $1, $2, * from unnest($3::integer[], $4::bigint[], $5::bigint[], $6::text[])
    on conflict do nothing
"""


def outcome_of(letter: RejectedMessage, outcome: MessageOutcome = MessageOutcome.DEAD_LETTER) -> Outcome:
    """What to record of a message that is rejected."""
    message = letter.message
    return message.partition, message.offset, outcome, letter.order_id, letter.error_type, letter.error


async def record_outcomes(
    connection: asyncpg.Connection[asyncpg.Record], topic: str, epoch: int, outcomes: Sequence[Outcome]
) -> None:
    """Record outcomes of messages; those that have one keep it."""
    if outcomes:
        await connection.execute(_OUTCOMES, topic, epoch, *zip(*outcomes, strict=True))


async def record_gaps(
    connection: asyncpg.Connection[asyncpg.Record], topic: str, epoch: int, gaps: Sequence[Gap]
) -> None:
    """Record offsets that hold no message to read."""
    if gaps:
        rows = [(gap.partition, gap.first, gap.next, gap.reason) for gap in gaps]
        await connection.execute(_GAPS, topic, epoch, *zip(*rows, strict=True))
