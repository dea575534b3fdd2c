"""Stored orders of which a given number are flagged, spread over a time."""

from datetime import datetime, timedelta

import asyncpg

_INSERT = """
    insert into orders (
        order_id, user_id, product_id, quantity, amount, currency, payment_method, country, created_date,
        status, outcome, risk_score, hits, features, ruleset_version, decided_at,
        source_topic, source_epoch, source_partition, source_offset, appended_at
    )
    select $1::text || number, 'u', 'p', 1, 1, 'IDR', 'OVO', 'ID',
        $4::timestamptz + number * ($5::interval / $2::float8),
        case when number < $3::integer then 'fraud' else 'genuine' end,
        case when number < $3 then 'review' else 'approve' end,
        0, '[]', '{}', $6, $4::timestamptz, 'orders', 1, 0, number, $4::timestamptz
    from generate_series(0, $2::integer - 1) as number
"""


async def store_flagged_orders(
    database_url: str, name: str, orders: int, flagged: int, *, version: str, start: datetime, length: timedelta
) -> None:
    """Store orders that a ruleset version decided at `start`; their ids begin with the name."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(_INSERT, name, orders, flagged, start, length, version)
    finally:
        await connection.close()
