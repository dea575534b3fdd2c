"""The ledger: what was acknowledged to the producer, compared with everything that came of it.

Written apart from the detector's own accounting: it reads the topics and tables from outside.
"""

from collections import Counter
from dataclasses import dataclass, field

import asyncpg
import orjson

from order_contract.decision import OrderRow
from order_contract.decision_record import encode_decision
from order_platform.settings import KafkaSettings
from tests.support.reading import read_topic

Origin = tuple[int, int]


@dataclass
class Ledger:
    """Acknowledged messages: where the broker says they stand, and their bytes."""

    acknowledged: dict[Origin, bytes | None] = field(default_factory=dict)

    async def verify(self, settings: KafkaSettings, database_url: str) -> Counter[str]:
        """Assert that nothing was lost, nothing happened twice, and everything published is what is stored.

        Returns how many messages had which outcome.
        """
        topic = {(r.partition, r.offset): r.value for r in await read_topic(settings, settings.orders_topic)}
        for origin, value in self.acknowledged.items():
            assert topic.get(origin) == value, f"the broker lost {origin}"

        connection = await asyncpg.connect(database_url)
        try:
            records = await connection.fetch(f"select {', '.join(OrderRow._fields)} from orders")
            outcomes = await connection.fetch('select partition, "offset", outcome from stream_outcomes')
            assert await connection.fetchval("select count(*) from stream_gaps") == 0
        finally:
            await connection.close()
        rows = [OrderRow(*record.values()) for record in records]
        recorded: dict[Origin, list[str]] = {}
        for row in rows:
            recorded.setdefault((row.source_partition, row.source_offset), []).append("stored")
        for record in outcomes:
            recorded.setdefault((record["partition"], record["offset"]), []).append(record["outcome"])
        assert recorded.keys() == topic.keys(), "messages without outcome, or outcomes without message"
        assert all(len(found) == 1 for found in recorded.values()), "a message has two outcomes"

        for row in rows:
            event = orjson.loads(topic[row.source_partition, row.source_offset] or b"")
            assert (event["order_id"], event["user_id"]) == (row.order_id, row.user_id)

        await self._verify_decisions(settings, rows)
        await self._verify_dead_letters(settings, topic, recorded)
        return Counter(found[0] for found in recorded.values())

    async def _verify_decisions(self, settings: KafkaSettings, rows: list[OrderRow]) -> None:
        published: dict[str, bytes] = {}
        for record in await read_topic(settings, settings.decisions_topic):
            order_id = record.key.decode()
            assert published.setdefault(order_id, record.value) == record.value, f"two decisions of {order_id}"
        assert published == {row.order_id: encode_decision(row) for row in rows}

    async def _verify_dead_letters(
        self, settings: KafkaSettings, topic: dict[Origin, bytes | None], recorded: dict[Origin, list[str]]
    ) -> None:
        letters: dict[Origin, bytes | None] = {}
        for record in await read_topic(settings, settings.dead_letter_topic):
            headers = dict(record.headers)
            letters[int(headers["origin_partition"]), int(headers["origin_offset"])] = record.value
        refused = {origin for origin, found in recorded.items() if found[0] in {"dead-letter", "conflict"}}
        assert letters == {origin: topic[origin] for origin in refused}
