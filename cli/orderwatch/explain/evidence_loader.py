"""Loader of evidence: from Postgres, from topic `orders`, and from the topics that the detector writes."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import asyncpg
from aiokafka.errors import UnknownTopicOrPartitionError

from order_contract.dead_letter_record import dead_letter_key
from order_contract.decision import OrderRow
from order_contract.decision_record import decision_key
from order_contract.event import read_claimed_id
from order_contract.origin import Origin, parse_origin
from order_contract.outcomes import MessageOutcome
from order_contract.partitioning import decision_partition
from order_platform.command_line.errors import CommandError
from order_platform.kafka.topic_reader import Found, KeySearch, Missing, TopicReader
from order_platform.postgres.topic_epochs import find_epoch, read_epochs
from order_platform.settings import KafkaSettings
from orderwatch.command_hint import command_hint
from orderwatch.explain.evidence import OrderEvidence, UnstoredMessage, UnstoredMessageEvidence

# How much earlier than expected a record may be stamped: clocks of several machines are never quite the same.
CLOCKS_APART = timedelta(seconds=1)
# Dead letters are few, and their time comes from the database's clock.
DATABASE_CLOCK_APART = timedelta(minutes=1)

_ORDERS_BY_ID = f"select {', '.join(OrderRow._fields)} from orders where order_id = any($1::text[])"  # noqa: S608
_RULESETS = "select version, content from rulesets where version = any($1::text[])"
_UNSTORED_COLUMNS = 'topic, partition, "offset", epoch, outcome, order_id, error_type, error, recorded_at'
_UNSTORED_BY_ORDER = f"""
select {_UNSTORED_COLUMNS} from stream_outcomes
where topic = $1 and order_id = any($2::text[])
order by recorded_at, epoch, partition, "offset"
"""  # noqa: S608
_UNSTORED_AT = f"""
select {_UNSTORED_COLUMNS} from stream_outcomes
where (topic, partition, "offset", epoch) = ($1, $2, $3, $4)
"""  # noqa: S608
_ORDER_AT = """
select order_id from orders
where (source_topic, source_partition, source_offset, source_epoch) = ($1, $2, $3, $4)
"""
_GAP_AT = """
select first_offset, next_offset, reason from stream_gaps
where topic = $1 and partition = $2 and first_offset <= $3 and next_offset > $3 and epoch = $4
"""
# In the order of their arrival, so that neighbours lie near each other on the topics.
_SAMPLE = """
select order_id from (select order_id, appended_at from orders order by random() limit $1) as sample
order by appended_at
"""


class EvidenceLoader:
    """Loads what is kept of orders and messages. Lives as long as the database connection and the record finder."""

    def __init__(self, kafka: KafkaSettings, database: asyncpg.Connection, records: TopicReader) -> None:
        self._kafka = kafka
        self._database = database
        self._records = records
        self._epochs: dict[str, int | None] = {}

    async def load(self, asked: str) -> OrderEvidence | UnstoredMessageEvidence:
        """What is known under an order id, or an origin such as `orders/3/12345`. Raises CommandError."""
        stored = await self.load_orders([asked])
        if stored:
            return stored[0]
        found_unstored = await _fetch_unstored(self._database, self._kafka.orders_topic, [asked])
        if found_unstored:
            return await self._load_unstored(found_unstored[-1])
        origin = self._parse_origin(asked)
        if origin is not None:
            return await self._load_at(origin)
        raise CommandError(
            f"nothing is recorded of order {asked!r}",
            f"It was never published, or is not decided yet: `{command_hint('lag')}` shows how many messages wait.",
        )

    async def sample_order_ids(self, count: int) -> list[str]:
        """Ids of random orders, neighbours near each other on the topic."""
        return await _fetch_sample(self._database, count)

    async def load_orders(self, order_ids: Sequence[str]) -> list[OrderEvidence]:
        """The evidence of each of these orders that is stored."""
        rows = await _fetch_rows(self._database, order_ids)
        if not rows:
            return []
        topic = self._kafka.orders_topic
        rulesets = await _fetch_rulesets(self._database, {row.ruleset_version for row in rows.values()})
        related: dict[str | None, list[UnstoredMessage]] = defaultdict(list)
        for unstored in await _fetch_unstored(self._database, topic, list(rows)):
            related[unstored.order_id].append(unstored)
        messages = await self._load_messages([row.origin for row in rows.values()])
        published = await self._load_published(rows.values())
        return [
            OrderEvidence(
                row=row,
                origin=row.origin,
                message=messages[row.origin],
                ruleset=rulesets.get(row.ruleset_version),
                published=published[order_id],
                related=related[order_id],
            )
            for order_id in order_ids
            if (row := rows.get(order_id)) is not None
        ]

    async def _load_messages(self, origins: Sequence[Origin]) -> dict[Origin, Found]:
        """The message at each origin; missing where the topic that it was on has been deleted."""
        found: dict[Origin, Found] = {}
        by_topic: dict[str, list[Origin]] = defaultdict(list)
        for origin in origins:
            by_topic[origin.topic].append(origin)
        for topic, wanted in by_topic.items():
            epoch = await self._find_epoch(topic)
            deleted = Missing(f"topic {topic} was deleted and created again since, with other messages")
            places = [(origin.partition, origin.offset) for origin in wanted if origin.epoch == epoch]
            records = await self._records.find_at(topic, places)
            for origin in wanted:
                place = (origin.partition, origin.offset)
                found[origin] = records[place] if origin.epoch == epoch else deleted
        return found

    async def _find_epoch(self, topic: str) -> int | None:
        if topic not in self._epochs:
            known = await read_epochs(self._database, topic)
            try:
                topic_id = await self._records.topic_id(topic)
            except UnknownTopicOrPartitionError:
                topic_id = None
            self._epochs[topic] = find_epoch(known, topic_id)
        return self._epochs[topic]

    async def _load_published(self, rows: Collection[OrderRow]) -> dict[str, Found]:
        topic = self._kafka.decisions_topic
        count = len(await self._records.partitions(topic))
        if not count:
            return {row.order_id: Missing(f"topic {topic} does not exist") for row in rows}
        wanted = [
            KeySearch(
                decision_partition(row.source_partition, count),
                decision_key(row.order_id),
                _ms(row.decided_at - CLOCKS_APART),
            )
            for row in rows
        ]
        return {key.decode(): record for key, record in (await self._records.find_by_key(topic, wanted)).items()}

    async def _load_at(self, origin: Origin) -> OrderEvidence | UnstoredMessageEvidence:
        unstored = await _fetch_unstored_at(self._database, origin)
        if unstored is not None:
            return await self._load_unstored(unstored)
        message = (await self._load_messages([origin]))[origin]
        # A message that names its order id is found by the primary key; no index covers the others.
        claimed = None if isinstance(message, Missing) else read_claimed_id(message.value, "order_id")
        order_id = claimed or await _fetch_order_at(self._database, origin)
        for found in await self.load_orders([order_id] if order_id else []):
            if found.origin == origin:
                return found
        gap = await _fetch_gap_at(self._database, origin)
        if gap is not None:
            raise CommandError(f"{origin} lies in a recorded gap, offsets {gap[0]} to {gap[1] - 1}: {gap[2]}")
        if isinstance(message, Missing):
            raise CommandError(f"nothing is recorded of {origin}, and {message.reason}")
        raise CommandError(
            f"nothing is recorded of {origin}, though the message is there",
            f"It is not consumed yet, or lost: `{command_hint('lag')}` and `{command_hint('reconcile')}` show which.",
        )

    async def _load_unstored(self, unstored: UnstoredMessage) -> UnstoredMessageEvidence:
        message = (await self._load_messages([unstored.origin]))[unstored.origin]
        rows = await _fetch_rows(self._database, [unstored.order_id] if unstored.order_id else [])
        return UnstoredMessageEvidence(
            unstored,
            message,
            await self._load_dead_letter(unstored),
            rows.get(unstored.order_id) if unstored.order_id else None,
        )

    async def _load_dead_letter(self, unstored: UnstoredMessage) -> Found:
        if unstored.outcome is MessageOutcome.DUPLICATE:
            return Missing("a duplicate is not a dead letter: nothing is published about it")
        topic, key = self._kafka.dead_letter_topic, dead_letter_key(unstored.origin)
        since = _ms(unstored.recorded_at - DATABASE_CLOCK_APART)
        partitions = await self._records.partitions(topic)
        wanted = [KeySearch(part.partition, key, since) for part in partitions]
        return (await self._records.find_by_key(topic, wanted)).get(key, Missing(f"topic {topic} does not exist"))

    def _parse_origin(self, text: str) -> Origin | None:
        try:
            origin = parse_origin(text)
        except ValueError:
            return None
        return origin if origin.topic == self._kafka.orders_topic else None


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


async def _fetch_rows(connection: asyncpg.Connection, order_ids: Collection[str]) -> dict[str, OrderRow]:
    """Those of the orders that are stored."""
    return {record["order_id"]: OrderRow(*record) for record in await connection.fetch(_ORDERS_BY_ID, order_ids)}


async def _fetch_rulesets(connection: asyncpg.Connection, versions: Collection[str]) -> dict[str, str]:
    """The YAML text of each of the versions that is kept."""
    return dict(map(tuple, await connection.fetch(_RULESETS, versions)))


async def _fetch_unstored(
    connection: asyncpg.Connection, topic: str, order_ids: Collection[str]
) -> list[UnstoredMessage]:
    """The messages with these order ids that became no row, oldest first."""
    return [_build_unstored(record) for record in await connection.fetch(_UNSTORED_BY_ORDER, topic, order_ids)]


async def _fetch_unstored_at(connection: asyncpg.Connection, origin: Origin) -> UnstoredMessage | None:
    """What is recorded of a message that became no row."""
    record = await connection.fetchrow(_UNSTORED_AT, *origin)
    return None if record is None else _build_unstored(record)


async def _fetch_order_at(connection: asyncpg.Connection, origin: Origin) -> str | None:
    """The order that was made of a message; goes through the whole table."""
    order_id: str | None = await connection.fetchval(_ORDER_AT, *origin)
    return order_id


async def _fetch_gap_at(connection: asyncpg.Connection, origin: Origin) -> tuple[int, int, str] | None:
    """The recorded gap in which an offset lies: first, next, and why."""
    record = await connection.fetchrow(_GAP_AT, *origin)
    return None if record is None else tuple(record)


async def _fetch_sample(connection: asyncpg.Connection, count: int) -> list[str]:
    """Ids of random orders, in the order in which their messages were appended."""
    return [record["order_id"] for record in await connection.fetch(_SAMPLE, count)]


def _build_unstored(record: asyncpg.Record) -> UnstoredMessage:
    return UnstoredMessage._make(record.values())._replace(outcome=MessageOutcome(record["outcome"]))
