"""Labels in Postgres, written by asyncpg on a connection per batch: they are few, and come in bursts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import asyncpg

from fraud_detector.labels.batch import LabelBatch, RecordedLabel
from fraud_detector.stream.ports import DependencyUnavailableError
from order_contract.outcomes import MessageOutcome
from order_platform.postgres import topic_epochs
from order_platform.postgres.errors import TRANSIENT_ERRORS
from order_platform.settings import Subscription

_TIMEOUT: Final = 30.0
# A label is in the audit log when it is stored, and then once; without its note, which can be erased.
_LABELS: Final = """
    with stored as (
        insert into labels (
            topic, epoch, partition, "offset", order_id, label, source, author, labelled_at, note, appended_at
        )
        select $1, $2, * from unnest(
            $3::integer[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[], $10::text[],
            $11::timestamptz[]
        )
        on conflict do nothing
        returning *
    )
    insert into audit_log (actor, action, subject_kind, subject_id, after)
    select coalesce(author, source), 'add', 'label', order_id, jsonb_build_object(
        'label', label, 'source', source, 'at', labelled_at, 'topic', topic, 'partition', partition, 'offset', "offset"
    )
    from stored order by partition, "offset"
"""
_OUTCOMES: Final = """
    insert into stream_outcomes (topic, epoch, partition, "offset", outcome, order_id, error_type, error)
    select $1, $2, partition, "offset", $3, order_id, error_type, error
    from unnest($4::integer[], $5::bigint[], $6::text[], $7::text[], $8::text[])
        as rejected (partition, "offset", order_id, error_type, error)
    on conflict do nothing
"""
_GAPS: Final = """
    insert into stream_gaps (topic, epoch, partition, first_offset, next_offset, reason)
    select $1, $2, * from unnest($3::integer[], $4::bigint[], $5::bigint[], $6::text[])
    on conflict do nothing
"""


class PostgresLabelStore:
    """Stores what a group reads of topic `labels`; keyed by its origin, so that storing it again changes nothing."""

    def __init__(self, database_url: str, subscription: Subscription) -> None:
        self._database_url = database_url
        self._topic, self._group = subscription
        self._epoch = 1

    async def bind(self, topic_id: UUID | None) -> int:
        """Find which epoch of the topic the group reads, and store for that one; `topic_id` is the topic's id now.

        Raises DependencyUnavailableError, RecreatedTopicError.
        """
        async with self._connected() as connection:
            self._epoch = await topic_epochs.bind_group(connection, self._group, self._topic, topic_id)
        return self._epoch

    async def store(self, batch: LabelBatch) -> None:
        """Store labels and dead letters, and that everything before the batch's next offsets is stored.

        In one transaction. Raises DependencyUnavailableError, after which it may or may not have happened.
        """
        async with self._connected() as connection, connection.transaction():
            if batch.labels:
                await connection.execute(_LABELS, self._topic, self._epoch, *_as_columns(batch.labels))
            if batch.dead_letters:
                rejected = [
                    (each.message.partition, each.message.offset, each.order_id, each.error_type, each.error)
                    for each in batch.dead_letters
                ]
                columns = zip(*rejected, strict=True)
                await connection.execute(_OUTCOMES, self._topic, self._epoch, MessageOutcome.DEAD_LETTER, *columns)
            if batch.gaps:
                gaps = [(gap.partition, gap.first, gap.next, gap.reason) for gap in batch.gaps]
                await connection.execute(_GAPS, self._topic, self._epoch, *zip(*gaps, strict=True))
            await topic_epochs.record_positions(connection, self._group, self._topic, self._epoch, batch.next_offsets)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        try:
            connection = await asyncpg.connect(
                self._database_url,
                timeout=_TIMEOUT,
                command_timeout=_TIMEOUT,
                server_settings={"application_name": "fraud-detector labels"},
            )
            try:
                yield connection
            finally:
                connection.terminate()
        except TRANSIENT_ERRORS as error:
            if isinstance(error, ValueError):  # asyncpg refused our own arguments: a bug, not the database
                raise
            raise DependencyUnavailableError(f"{type(error).__name__}: {error}") from error


def _as_columns(labels: Sequence[RecordedLabel]) -> list[Sequence[Any]]:
    rows = [
        (
            origin.partition,
            origin.offset,
            event.order_id,
            event.label,
            event.source,
            event.author,
            event.at,
            event.note,
            appended_at,
        )
        for event, origin, appended_at in labels
    ]
    return list(zip(*rows, strict=True))
