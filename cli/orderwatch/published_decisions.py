"""Comparison of topic decisions with Postgres: the same orders, with the same outcomes."""

from collections.abc import Collection, Mapping
from contextlib import suppress

import asyncpg
import orjson

from order_contract.origin import Origin
from order_platform.kafka.topic_reader import WHOLE_TOPICS, TopicReader
from order_platform.settings import KafkaSettings
from orderwatch import ledger_repository
from orderwatch.ledger_repository import TopicEpoch

NAMED = 5


async def compare_decisions(
    kafka: KafkaSettings, database: asyncpg.Connection, source: TopicEpoch, committed: Mapping[int, int]
) -> list[str]:
    """What differs, as sentences. Orders below the committed offsets must be published; any published one, stored."""
    must_be_published = await ledger_repository.committed_order_outcomes(database, source, committed)
    published: dict[str, str] = {}
    origins: dict[str, Origin] = {}
    async with TopicReader(kafka, **WHOLE_TOPICS) as reader:
        async for record in reader.read_all(kafka.decisions_topic):
            decision = orjson.loads(record.value or b"{}")
            published[order_id := decision.get("order_id")] = decision.get("outcome")
            with suppress(KeyError):  # not one of the detector's records
                place = decision["partition"], decision["offset"]
                origins[order_id] = Origin(decision["topic"], *place, decision["topic_epoch"])
        kept_from_the_first = await reader.is_complete(kafka.decisions_topic)
    # Read again: what was published in the meantime was stored before.
    stored = await ledger_repository.order_outcomes(database)
    unstored = published.keys() - stored.keys()
    retired = await ledger_repository.retired_orders(
        database, {each: origins[each] for each in unstored & origins.keys()}
    )
    differences = {
        "published, but not stored": unstored - retired,
        "published with another outcome than stored": {
            order for order, outcome in published.items() if stored.get(order, outcome) != outcome
        },
    }
    if kept_from_the_first:
        differences["stored, but not published"] = must_be_published.keys() - published.keys()
    return [
        f"{len(orders)} orders are {what}: {_format_some(orders)}" for what, orders in differences.items() if orders
    ]


def _format_some(orders: Collection[str]) -> str:
    shown = ", ".join(sorted(orders)[:NAMED])
    return shown if len(orders) <= NAMED else f"{shown}, ..."
