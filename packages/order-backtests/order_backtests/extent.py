"""Extent of a backtest: how many orders there are to decide, and what is missing of their past."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import asyncpg

from decision_engine.ruleset import Ruleset
from order_backtests.postgres_source import Span, count_by_hour
from order_backtests.runner import history_window
from order_contract.business_time import business_date, business_text
from order_platform.postgres.retention import read_retired_before
from order_platform.postgres.ruleset_versions import Connection

_MOMENT: Final = timedelta(microseconds=1)


_BEFORE: Final = """
    select count(*) from (
        select from orders where source_topic = $1 and created_date >= $2 and created_date < $3 limit $4
    ) as history
"""


class Extent(NamedTuple):
    """The number of orders of each hour that has any, and before which time orders are missing that windows reach."""

    hours: Sequence[tuple[datetime, int]]
    retired_before: datetime | None

    @property
    def orders(self) -> int:
        return sum(count for _, count in self.hours)


async def read_extent(
    connection: "asyncpg.Connection[asyncpg.Record]", span: Span, rulesets: Sequence[Ruleset]
) -> Extent:
    """The extent of a backtest of these rulesets."""
    retired_before = await read_retired_before(connection)
    if retired_before is not None and span.since - history_window(rulesets) >= retired_before:
        retired_before = None
    return Extent(await count_by_hour(connection, span), retired_before)


async def count_before(connection: Connection, span: Span, rulesets: Sequence[Ruleset], most: int) -> int:
    """How many orders are read for history features before those of the span; counted up to one more than `most`."""
    start = span.since - history_window(rulesets)
    count: int = await connection.fetchval(_BEFORE, span.topic, start, span.since, most + 1)
    return count


def dates_text(since: datetime, until: datetime) -> str:
    """The range as it was meant: whole dates, or times."""
    texts = business_text(since), business_text(until)
    if all(text.split()[1] == "00:00:00" for text in texts):
        first, last = business_date(since), business_date(until - _MOMENT)
        return f"{first}" if first == last else f"{first} to {last}"
    return f"{texts[0]} to {texts[1]}"
