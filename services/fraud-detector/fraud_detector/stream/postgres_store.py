"""Decisions in Postgres, written by asyncpg.

A small batch is one `insert .. unnest`, which has the lowest latency; a large one is a COPY straight into the table,
which has the highest throughput. When orders are there already, the COPY is rolled back and the batch goes through a
staging table; then what is stored is read back and compared (docs/decisions/0002-writing-orders.md has the figures).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from decision_engine.ruleset import Ruleset
from fraud_detector.stream.batch import Batch, StoreResult
from fraud_detector.stream.message_outcomes import outcome_of, record_gaps, record_outcomes
from fraud_detector.stream.ports import DependencyUnavailableError, UnstoredOrdersError
from fraud_detector.stream.postgres_connection import errors_as_unavailable, session_settings
from order_contract.business_time import business_date, business_text
from order_contract.dead_letter_record import RejectedMessage
from order_contract.decision import OrderRow
from order_contract.error_types import ErrorType
from order_contract.event import OrderEvent, fingerprint
from order_contract.message import Message
from order_contract.outcomes import MessageOutcome
from order_platform.postgres import topic_epochs
from order_platform.postgres.copy_rows import copy_rows
from order_platform.postgres.errors import TRANSIENT_ERRORS
from order_platform.postgres.ruleset_versions import record_ruleset

# From this many orders on, COPY is cheaper than unnest.
COPY_FROM = 500
COMMAND_TIMEOUT = 30.0

_COLUMNS = OrderRow._fields
COLUMN_TYPES: Mapping[str, str] = {
    "quantity": "bigint", "amount": "bigint", "created_date": "timestamptz", "account_created_date": "timestamptz",
    "attributes": "json", "risk_score": "smallint", "hits": "json", "features": "json", "decided_at": "timestamptz",
    "seen": "bytea", "lists_seen": "bigint",
    "source_epoch": "integer", "source_partition": "integer", "source_offset": "bigint", "appended_at": "timestamptz",
}  # fmt: skip
"""Columns of orders that are no text; `rule_ids` is an array of it."""
_RULE_IDS = _COLUMNS.index("rule_ids")
_COPIED: Mapping[str, str] = {name: COLUMN_TYPES.get(name, "text") for name in _COLUMNS} | {"rule_ids": "text[]"}

_COLUMN_LIST = ", ".join(_COLUMNS)
# Arrays of arrays do not unnest row by row, so rule ids travel as array literals.
_GIVEN = f"""
    select {", ".join(f"{name}::text[]" if name == "rule_ids" else name for name in _COLUMNS)}
    from unnest({", ".join(f"${n}::{COLUMN_TYPES.get(name, 'text')}[]" for n, name in enumerate(_COLUMNS, 1))})
        as given ({_COLUMN_LIST})
"""  # noqa: S608  (our own column names)
# All or none: fails when an order is there already, inserts nothing when one is of a retired date.
_INSERT_ALL = f"""
    insert into orders ({_COLUMN_LIST}) {_GIVEN}
    where (select min(created_date) from unnest(${_COLUMNS.index("created_date") + 1}::timestamptz[]) as created_date)
        >= (select storable_from())
"""  # noqa: S608
_INSERT_NEW = f"""
    insert into orders ({_COLUMN_LIST}) {_GIVEN}
    where created_date >= (select storable_from())
    on conflict (order_id) do nothing
    returning order_id
"""
_INSERT_STAGED = f"""
    insert into orders ({_COLUMN_LIST}) select {_COLUMN_LIST} from staged_orders
    where created_date >= (select storable_from())
    order by place
    on conflict (order_id) do nothing
    returning order_id
"""  # noqa: S608
# The place in the batch, as a scan need not give rows in the sequence of their COPY: after transactions that were
# rolled back they fill free pages. Of several messages of an order the first is to be stored: it is the one that counts
# in history features.
_STAGING = """
    create temporary table if not exists staged_orders (like orders including defaults, place integer not null)
    on commit delete rows
"""
_STORED = f"select {_COLUMN_LIST} from orders where order_id = any($1::text[])"  # noqa: S608
# Holds until the end of the transaction: no date is retired while orders of it are being stored.
_STORABLE_FROM = "select storable_from()"
_RETIRED = """
    select partition, "offset"
    from unnest($3::integer[], $4::bigint[]) as given (partition, "offset")
    where exists (
        select from retired_offsets as retired
        where retired.topic = $1 and retired.epoch = $2 and retired.partition = given.partition
            and given."offset" >= retired.first_offset and given."offset" < retired.next_offset
    )
"""
_NOTHING_INSERTED = "INSERT 0 0"

_POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class PostgresStore:
    """The DecisionStore in Postgres, on one connection at a time."""

    def __init__(
        self,
        database_url: str,
        *,
        topic: str,
        rulesets: Sequence[Ruleset],
        group: str = "fraud-detector",
        copy_from: int = COPY_FROM,
    ) -> None:
        self._database_url = database_url
        self._topic = topic
        self._group = group
        self._epoch = 1
        self._rulesets = rulesets
        self._copy_from = copy_from
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        # Orders that are there already come in succession (a replayed file): staging at once saves the failed attempt.
        self._collided = False
        self._in_use = asyncio.Lock()

    async def bind(self, topic_id: UUID | None) -> int:
        async with self._connected() as connection:
            self._epoch = await topic_epochs.bind_group(connection, self._group, self._topic, topic_id)
        return self._epoch

    async def record_rulesets(self, rulesets: Sequence[Ruleset]) -> None:
        async with self._connected() as connection:
            await _record_rulesets(connection, rulesets)
        self._rulesets = rulesets

    async def record_positions(self, next_offsets: Mapping[int, int]) -> None:
        async with self._connected() as connection:
            await topic_epochs.record_positions(connection, self._group, self._topic, self._epoch, next_offsets)

    async def store(self, batch: Batch) -> StoreResult:
        async with self._connected() as connection:
            if len(batch.orders) < self._copy_from:
                return await self._insert(connection, batch)
            if not self._collided:
                try:
                    return await self._copy(connection, batch)
                except (asyncpg.UniqueViolationError, _RetiredDateError):
                    self._collided = True
            return await self._stage(connection, batch)

    async def check(self) -> bool:
        if self._in_use.locked():
            return False
        async with self._connected() as connection:
            await connection.execute("select from orders limit 1")
        return True

    async def disconnect(self) -> None:
        async with self._in_use:
            await self.close()

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    # ---- three ways of writing

    async def _insert(self, connection: asyncpg.Connection[asyncpg.Record], batch: Batch) -> StoreResult:
        rows = [row for row, _ in batch.orders]
        if rows and not self._collided and not batch.dead_letters and not batch.gaps:
            # The common case is one statement, a transaction by itself.
            with suppress(asyncpg.UniqueViolationError):
                if await connection.execute(_INSERT_ALL, *_as_columns(rows)) != _NOTHING_INSERTED:
                    return StoreResult(rows)
        async with connection.transaction():
            inserted = await connection.fetch(_INSERT_NEW, *_as_columns(rows)) if rows else []
            self._collided = len(inserted) < len(rows)
            stored = StoreResult(rows) if len(inserted) == len(rows) else await self._settle(connection, batch)
            await self._record(connection, batch)
            return stored

    async def _copy(self, connection: asyncpg.Connection[asyncpg.Record], batch: Batch) -> StoreResult:
        async with connection.transaction():
            storable_from = await connection.fetchval(_STORABLE_FROM)
            if min(row.created_date for row, _ in batch.orders) < storable_from:
                raise _RetiredDateError
            await copy_rows(connection, "orders", _COPIED, [row for row, _ in batch.orders])
            await self._record(connection, batch)
        return StoreResult([row for row, _ in batch.orders])

    async def _stage(self, connection: asyncpg.Connection[asyncpg.Record], batch: Batch) -> StoreResult:
        async with connection.transaction():
            rows = [(*row, place) for place, (row, _) in enumerate(batch.orders)]
            await copy_rows(connection, "staged_orders", {**_COPIED, "place": "integer"}, rows)
            inserted = await connection.fetch(_INSERT_STAGED)
            self._collided = len(inserted) < len(batch.orders)
            if self._collided:
                stored = await self._settle(connection, batch)
            else:
                stored = StoreResult([row for row, _ in batch.orders])
            await self._record(connection, batch)
            return stored

    # ---- outcomes

    async def _settle(self, connection: asyncpg.Connection[asyncpg.Record], batch: Batch) -> StoreResult:
        """Read back what is stored, and tell rows that are stored from duplicates and conflicts."""
        found = await connection.fetch(_STORED, [row.order_id for row, _ in batch.orders])
        stored_rows = {record["order_id"]: OrderRow(*record.values()) for record in found}
        orders: list[OrderRow] = []
        duplicates: list[OrderRow] = []
        conflicts: list[RejectedMessage] = []
        retired: list[RejectedMessage] = []
        storable_from = await connection.fetchval(_STORABLE_FROM)
        for row, message in batch.orders:
            stored = stored_rows.get(row.order_id)
            if stored is None:
                if row.created_date >= storable_from:
                    # Neither inserted nor there: another process deleted it in the meantime.
                    raise DependencyUnavailableError(f"order {row.order_id} was deleted while it was being stored")
                retired.append(_retired(row, message, storable_from))
                continue
            prints = fingerprint(stored.event()), fingerprint(row.event())
            if prints[0] != prints[1]:
                conflicts.append(_conflict(stored, row, message, prints))
            elif stored.origin == row.origin:
                orders.append(stored)
            else:
                duplicates.append(row)
        if batch.has_history:
            _require_uncounted(batch, orders)
        already_stored = await self._find_retired(connection, retired)
        retired = [
            letter for letter in retired if (letter.message.partition, letter.message.offset) not in already_stored
        ]
        await record_outcomes(
            connection,
            self._topic,
            self._epoch,
            [
                (row.source_partition, row.source_offset, MessageOutcome.DUPLICATE, row.order_id, None, None)
                for row in duplicates
            ]
            + [outcome_of(letter, MessageOutcome.CONFLICT) for letter in conflicts]
            + [outcome_of(letter) for letter in retired],
        )
        return StoreResult(orders, len(duplicates) + len(already_stored), conflicts, retired)

    async def _find_retired(
        self, connection: asyncpg.Connection[asyncpg.Record], letters: Sequence[RejectedMessage]
    ) -> set[tuple[int, int]]:
        """Those of the messages that were stored once and removed since: they have their outcome already."""
        if not letters:
            return set()
        origins = [(letter.message.partition, letter.message.offset) for letter in letters]
        found = await connection.fetch(_RETIRED, self._topic, self._epoch, *zip(*origins, strict=True))
        return {(partition, offset) for partition, offset in found}

    async def _record(self, connection: asyncpg.Connection[asyncpg.Record], batch: Batch) -> None:
        letters = [outcome_of(letter) for letter in batch.dead_letters]
        await record_outcomes(connection, self._topic, self._epoch, letters)
        await record_gaps(connection, self._topic, self._epoch, batch.gaps)

    # ---- the connection

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        """The connection, made again after a failure.

        Errors that a retry may cure become DependencyUnavailableError.
        """
        async with self._in_use:
            with errors_as_unavailable(TRANSIENT_ERRORS):
                try:
                    if self._connection is None or self._connection.is_closed():
                        self._connection = await self._connect()
                    yield self._connection
                except TRANSIENT_ERRORS:
                    # What was in flight is rolled back or committed; a repeat shows which.
                    await self.close()
                    raise

    async def _connect(self) -> asyncpg.Connection[asyncpg.Record]:
        connection = await asyncpg.connect(
            self._database_url,
            timeout=COMMAND_TIMEOUT,
            command_timeout=COMMAND_TIMEOUT,
            server_settings=session_settings("fraud-detector"),
        )
        await connection.set_type_codec(
            "timestamptz", schema="pg_catalog", format="tuple", encoder=_encode_moment, decoder=_decode_moment
        )
        await connection.execute(_STAGING)
        await _record_rulesets(connection, self._rulesets)
        return connection


async def _record_rulesets(connection: asyncpg.Connection[asyncpg.Record], rulesets: Sequence[Ruleset]) -> None:
    for ruleset in rulesets:
        await record_ruleset(connection, ruleset.version, ruleset.content)


def _require_uncounted(batch: Batch, stored: Sequence[OrderRow]) -> None:
    """Raises UnstoredOrdersError when orders that are not stored count in history features."""
    origins = {(row.source_partition, row.source_offset) for row, _ in batch.orders}
    unstored = origins - {(row.source_partition, row.source_offset) for row in stored} - batch.uncounted
    if unstored:
        raise UnstoredOrdersError(unstored)


class _RetiredDateError(Exception):
    """A batch for COPY holds orders of a retired date, which have to be separated from the others."""


# asyncpg's own codec takes 1.4 us for a time, this one 0.2. A cache of times costs more: most orders have their own.
def _encode_moment(moment: datetime) -> tuple[int]:
    since = moment - _POSTGRES_EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds,)


def _decode_moment(microseconds: tuple[int]) -> datetime:
    return _POSTGRES_EPOCH + timedelta(microseconds=microseconds[0])


def _as_columns(rows: Sequence[OrderRow]) -> list[Sequence[Any]]:
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    # Rule ids are words of letters, digits and '-': an array literal of them needs no quotes.
    columns[_RULE_IDS] = [None if ids is None else f"{{{','.join(ids)}}}" for ids in columns[_RULE_IDS]]
    return columns


def _conflict(stored: OrderRow, row: OrderRow, message: Message, prints: tuple[str, str]) -> RejectedMessage:
    fields = [name for name in OrderEvent._fields if getattr(stored, name) != getattr(row, name)]
    return RejectedMessage(
        message,
        ErrorType.CONFLICT,
        f"order {row.order_id} is stored with other content since {stored.origin}; the first stays. "
        f"Different: {', '.join(fields)}",
        order_id=row.order_id,
        fingerprints=prints,
        epoch=row.source_epoch,
    )


def _retired(row: OrderRow, message: Message, storable_from: datetime) -> RejectedMessage:
    return RejectedMessage(
        message,
        ErrorType.RETIRED_DATE,
        f"created_date: {business_text(row.created_date)} is before {business_date(storable_from)}, and orders of "
        "earlier dates were removed from the database; the warehouse keeps those dates as they were",
        field="created_date",
        order_id=row.order_id,
        fields=("created_date",),
        epoch=row.source_epoch,
    )
