"""`python -m tests.support.rule_performance DATABASE_URL FIRST LAST`: what the API says of rules by day, as JSON.

Labels are due as on the last date, by which the mart goes, and not as today.
"""

import asyncio
import sys
from datetime import date, datetime, time, timedelta

import asyncpg
import orjson

from order_api.rules.filters import Period
from order_api.rules.repository import count_fraud, count_hits
from order_api.rules.service import build_performance
from order_contract.business_time import BUSINESS_ZONE

LABEL_DAYS = 30


async def rule_performance(database_url: str, first: date, last: date) -> list[dict[str, object]]:
    """The items of the response for the business dates from `first` to `last`."""
    start = datetime.combine(first, time(), BUSINESS_ZONE)
    end = datetime.combine(last + timedelta(days=1), time(), BUSINESS_ZONE)
    connection = await asyncpg.connect(database_url)
    try:
        hits = await count_hits(connection, start, end, labels_topic="labels", period=Period.DAY, rule=None)
        fraud = await count_fraud(connection, start, end, labels_topic="labels", period=Period.DAY)
    finally:
        await connection.close()
    due = last - timedelta(days=LABEL_DAYS)
    items = build_performance(hits, fraud, period=Period.DAY, last=last, due=due)
    return [item.model_dump(mode="json") for item in items]


if __name__ == "__main__":
    first, last = map(date.fromisoformat, sys.argv[2:])
    sys.stdout.buffer.write(orjson.dumps(asyncio.run(rule_performance(sys.argv[1], first, last))))
