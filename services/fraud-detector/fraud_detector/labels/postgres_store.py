"""Labels in Postgres, written by asyncpg on a connection per batch: they are few, and come in bursts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import asyncpg

from fraud_detector.labels.batch import LabelBatch, RecordedLabel
from fraud_detector.stream.message_outcomes import outcome_of, record_gaps, record_outcomes
from fraud_detector.stream.postgres_connection import connected, errors_as_unavailable
from order_platform.postgres import topic_epochs
from order_platform.postgres.errors import TRANSIENT_ERRORS
from order_platform.settings import Subscription

APPLICATION_NAME: Final = "fraud-detector labels"
# A label is in the audit log when it is stored, and then once; without its note, which can be erased.
_LABELS: Final = """
    with stored as (
        insert into labels (
            topic, epoch, partition, "offset", order_id, label, source, author, labelled_at, note, appended_at,
            reason
        )
        select $1, $2, * from unnest(
            $3::integer[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[], $10::text[],
            $11::timestamptz[], $12::text[]
        )
        on conflict do nothing
        returning *
    )
    insert into audit_log (actor, action, subject_kind, subject_id, after)
    select coalesce(author, source), 'add', 'label', order_id, jsonb_build_object(
        'label', label, 'reason', reason, 'source', source, 'at', labelled_at,
        'topic', topic, 'partition', partition, 'offset', "offset"
    )
    from stored order by partition, "offset"
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
            letters = [outcome_of(letter) for letter in batch.dead_letters]
            await record_outcomes(connection, self._topic, self._epoch, letters)
            await record_gaps(connection, self._topic, self._epoch, batch.gaps)
            await topic_epochs.record_positions(connection, self._group, self._topic, self._epoch, batch.next_offsets)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        with errors_as_unavailable(TRANSIENT_ERRORS):
            async with connected(self._database_url, APPLICATION_NAME) as connection:
                yield connection


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
            event.reason,
        )
        for event, origin, appended_at in labels
    ]
    return list(zip(*rows, strict=True))
