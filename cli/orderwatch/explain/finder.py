"""Finding the evidence: in Postgres, on topic `orders`, and on the topics that the detector writes."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from order_contract.dead_letter_record import dead_letter_key
from order_contract.decision_record import decision_key, decision_partition
from order_contract.event import read_claimed_id
from order_contract.origin import Origin, parse_origin
from order_contract.outcomes import MessageOutcome
from order_platform.postgres.topic_epochs import epoch_of, known_epochs
from order_platform.settings import KafkaSettings
from orderwatch import queries
from orderwatch.command_hint import command
from orderwatch.errors import OrderwatchError
from orderwatch.explain.evidence import OrderEvidence, Refusal, RefusalEvidence
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
        self._epochs: dict[str, int | None] = {}

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
        messages = await self._messages([row.origin for row in rows.values()])
        announced = await self._announced({row.order_id: row.decided_at for row in rows.values()})
        return [
            OrderEvidence(
                row=row,
                origin=row.origin,
                message=messages[row.origin],
                ruleset=rulesets.get(row.ruleset_version),
                announced=announced[order_id],
                others=others[order_id],
            )
            for order_id in order_ids
            if (row := rows.get(order_id)) is not None
        ]

    async def _messages(self, origins: Sequence[Origin]) -> dict[Origin, Found]:
        """The message at each origin; missing where the topic that it was on has been deleted."""
        found: dict[Origin, Found] = {}
        by_topic: dict[str, list[Origin]] = defaultdict(list)
        for origin in origins:
            by_topic[origin.topic].append(origin)
        for topic, wanted in by_topic.items():
            epoch = await self._epoch(topic)
            deleted = Missing(f"topic {topic} was deleted and created again since, with other messages")
            places = [(origin.partition, origin.offset) for origin in wanted if origin.epoch == epoch]
            records = await self._records.at(topic, places)
            for origin in wanted:
                place = (origin.partition, origin.offset)
                found[origin] = records[place] if origin.epoch == epoch else deleted
        return found

    async def _epoch(self, topic: str) -> int | None:
        if topic not in self._epochs:
            known = await known_epochs(self._database, topic)
            self._epochs[topic] = epoch_of(known, await self._records.topic_id(topic))
        return self._epochs[topic]

    async def _announced(self, decided_at: dict[str, datetime]) -> dict[str, Found]:
        topic = self._kafka.decisions_topic
        count = len(await self._records.partitions(topic))
        if not count:
            return dict.fromkeys(decided_at, Missing(f"there is no topic {topic}"))
        wanted = [
            Wanted(decision_partition(key, count), key, _ms(moment - CLOCKS_APART))
            for key, moment in ((decision_key(order_id), moment) for order_id, moment in decided_at.items())
        ]
        return {key.decode(): record for key, record in (await self._records.by_key(topic, wanted)).items()}

    async def _at(self, origin: Origin) -> OrderEvidence | RefusalEvidence:
        refusal = await queries.refusal_at(self._database, origin)
        if refusal is not None:
            return await self._refusal(refusal)
        message = (await self._messages([origin]))[origin]
        # The row is found by its key while the message says which; else there is no index for it.
        claimed = None if isinstance(message, Missing) else read_claimed_id(message.value, "order_id")
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
        message = (await self._messages([refusal.origin]))[refusal.origin]
        rows = await queries.rows(self._database, [refusal.order_id] if refusal.order_id else [])
        return RefusalEvidence(
            refusal, message, await self._dead_letter(refusal), rows.get(refusal.order_id) if refusal.order_id else None
        )

    async def _dead_letter(self, refusal: Refusal) -> Found:
        if refusal.outcome is MessageOutcome.DUPLICATE:
            return Missing("a duplicate is no dead letter: nothing is announced of it")
        topic, key = self._kafka.dead_letter_topic, dead_letter_key(refusal.origin)
        since = _ms(refusal.recorded_at - DATABASE_CLOCK_APART)
        partitions = await self._records.partitions(topic)
        wanted = [Wanted(part.partition, key, since) for part in partitions]
        return (await self._records.by_key(topic, wanted)).get(key, Missing(f"there is no topic {topic}"))

    def _origin(self, text: str) -> Origin | None:
        try:
            origin = parse_origin(text)
        except ValueError:
            return None
        return origin if origin.topic == self._kafka.orders_topic else None


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
