"""SQL of labels."""

from collections.abc import Sequence
from typing import Final

import asyncpg

from order_platform.postgres.sql_builder import QueryExecutor

MOST_LABELS: Final = 1_000
_LABELS: Final = f"""
    select order_id, label, source, author, labelled_at, note, reason, topic, partition, "offset", recorded_at
    from labels where order_id = $1
    order by epoch desc, "offset" desc, partition desc limit {MOST_LABELS}
"""  # noqa: S608  (a constant)


async def list_labels(database: QueryExecutor, order_id: str) -> Sequence[asyncpg.Record]:
    """The labels of an order, newest first."""
    return await database.fetch(_LABELS, order_id)
