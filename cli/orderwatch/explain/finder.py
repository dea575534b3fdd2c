"""Finding the evidence: in Postgres, on topic `orders`, and on the topics that the detector writes."""

import re
import zlib
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg
import orjson

from order_contract.event import readable_id
from order_contract.settings import KafkaSettings
from orderwatch import queries
from orderwatch.errors import OrderwatchError
from orderwatch.explain.evidence import OrderEvidence, Origin, Refusal, RefusalEvidence
from orderwatch.invocation import command
from orderwatch.record import Found, Missing
from orderwatch.record_finder import RecordFinder, Wanted

# How much earlier than expected a record may be stamped: clocks of several machines are never quite the same.
CLOCKS_APART = timedelta(seconds=1)
# Dead letters are few, and their time comes from the database's clock.
DATABASE_CLOCK_APART = timedelta(minutes=1)


class EvidenceFinder:
    """Finds what is kept of orders and messages. Lives as long as the database connection and the record finder."""

    def __init__(self, kafka: KafkaSettings, database: asyncpg.Connection, records: RecordFinder) -> None:
        self._kafka = kafka
        self._database = database
        self._records = records

    async def find(self, asked: str) -> OrderEvidence | RefusalEvidence:
        """What is known under an order id, or an origin such as `orders/3/12345`. Raises OrderwatchError."""
        stored = await self.orders([asked])
        if stored:
            return stored[0]
        refusals = await queries.refusals(self._database, self._kafka.orders_topic, [asked])
        if refusals:
            return await self._refusal(refusals[-1])
        origin = self._origin(asked)
        if origin is not None:
            return await self._at(origin)
        raise OrderwatchError(
            f"nothing is recorded of order {asked!r}",
            f"It was never published, or is not decided yet: `{command('lag')}` says how many messages wait.",
        )

    async def sample(self, count: int) -> list[str]:
        """Ids of random orders, neighbours near each other on the topic."""
        return await queries.sample(self._database, count)

    async def orders(self, order_ids: Sequence[str]) -> list[OrderEvidence]:
        """The evidence of each of these orders that is stored."""
        rows = await queries.rows(self._database, order_ids)
        if not rows:
            return []
        topic = self._kafka.orders_topic
        rulesets = await queries.rulesets(self._database, {row.ruleset_version for row in rows.values()})
        others: dict[str | None, list[Refusal]] = defaultdict(list)
        for refusal in await queries.refusals(self._database, topic, list(rows)):
            others[refusal.order_id].append(refusal)
        places = [(row.source_partition, row.source_offset) for row in rows.values()]
        messages = await self._records.at(topic, places)
        announced = await self._announced({row.order_id: row.decided_at for row in rows.values()})
        return [
            OrderEvidence(
                row=row,
                origin=Origin(topic, row.source_partition, row.source_offset),
                message=messages[row.source_partition, row.source_offset],
                ruleset=rulesets.get(row.ruleset_version),
                announced=announced[order_id],
                others=others[order_id],
            )
            for order_id in order_ids
            if (row := rows.get(order_id)) is not None
        ]

    async def _announced(self, decided_at: dict[str, datetime]) -> dict[str, Found]:
        topic = self._kafka.decisions_topic
        count = len(await self._records.partitions(topic))
        if not count:
            return dict.fromkeys(decided_at, Missing(f"there is no topic {topic}"))
        wanted = [
            # The announcer's partitioner.
            Wanted(zlib.crc32(order_id.encode()) % count, order_id.encode(), _ms(moment - CLOCKS_APART))
            for order_id, moment in decided_at.items()
        ]
        return {key.decode(): record for key, record in (await self._records.by_key(topic, wanted)).items()}

    async def _at(self, origin: Origin) -> OrderEvidence | RefusalEvidence:
        refusal = await queries.refusal_at(self._database, origin)
        if refusal is not None:
            return await self._refusal(refusal)
        message = (await self._records.at(origin.topic, [origin[1:]]))[origin[1:]]
        # The row is found by its key while the message says which; else there is no index for it.
        claimed = None if isinstance(message, Missing) else _claimed_id(message.value)
        order_id = claimed or await queries.order_at(self._database, origin)
        for found in await self.orders([order_id] if order_id else []):
            if found.origin == origin:
                return found
        gap = await queries.gap_at(self._database, origin)
        if gap is not None:
            raise OrderwatchError(f"{origin} lies in a recorded gap, offsets {gap[0]} to {gap[1] - 1}: {gap[2]}")
        if isinstance(message, Missing):
            raise OrderwatchError(f"nothing is recorded of {origin}, and {message.reason}")
        raise OrderwatchError(
            f"nothing is recorded of {origin}, though the message is there",
            f"It is not consumed yet, or was lost: `{command('lag')}` and `{command('reconcile')}` tell which.",
        )

    async def _refusal(self, refusal: Refusal) -> RefusalEvidence:
        place = (refusal.partition, refusal.offset)
        message = (await self._records.at(refusal.topic, [place]))[place]
        rows = await queries.rows(self._database, [refusal.order_id] if refusal.order_id else [])
        return RefusalEvidence(
            refusal, message, await self._dead_letter(refusal), rows.get(refusal.order_id) if refusal.order_id else None
        )

    async def _dead_letter(self, refusal: Refusal) -> Found:
        if refusal.outcome == "duplicate":
            return Missing("a duplicate is no dead letter: nothing is announced of it")
        topic, key = self._kafka.dead_letter_topic, str(refusal.origin).encode()
        since = _ms(refusal.recorded_at - DATABASE_CLOCK_APART)
        partitions = await self._records.partitions(topic)
        wanted = [Wanted(part.partition, key, since) for part in partitions]
        return (await self._records.by_key(topic, wanted)).get(key, Missing(f"there is no topic {topic}"))

    def _origin(self, text: str) -> Origin | None:
        match = re.fullmatch(rf"({re.escape(self._kafka.orders_topic)})/([0-9]{{1,9}})/([0-9]{{1,18}})", text)
        return Origin(match[1], int(match[2]), int(match[3])) if match else None


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _claimed_id(value: bytes | None) -> str | None:
    try:
        fields = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return None
    return readable_id(fields.get("order_id")) if isinstance(fields, dict) else None
