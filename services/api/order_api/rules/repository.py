"""SQL about the performance of rules: hits by rule, version, mode, period and label, and all labelled fraud."""

from datetime import date, datetime
from typing import Any, Final, NamedTuple

from order_platform.postgres.sql_builder import QueryExecutor

# The newest label of an order is the current one; a chargeback counts as fraud.
_COUNTED: Final = "case when label = 'legitimate' then label else 'fraud' end"
_PERIOD: Final = "date_trunc($4, created_date at time zone 'Asia/Jakarta')::date"
_HITS: Final = f"""
    select {_PERIOD} as period, hit.rule, ruleset_version, hit.mode, currency, newest.label,
        count(*) as orders, sum(amount) as amount
    from orders
    cross join lateral json_to_recordset(hits) as hit (rule text, mode text)
    left join lateral (
        select {_COUNTED} as label from labels where labels.order_id = orders.order_id and topic = $3
        order by epoch desc, "offset" desc, partition desc limit 1
    ) as newest on true
    where rule_ids is not null and created_date >= $1 and created_date < $2 and ($5::text is null or hit.rule = $5)
    group by 1, 2, 3, 4, 5, 6
"""  # noqa: S608
_FRAUD: Final = f"""
    select {_PERIOD} as period, ruleset_version, count(*) as orders
    from (
        select distinct on (order_id) order_id, created_date, ruleset_version, {_COUNTED} as label
        from labels join orders using (order_id)
        where topic = $3 and created_date >= $1 and created_date < $2
        order by order_id, epoch desc, "offset" desc, partition desc
    ) as newest
    where label = 'fraud'
    group by 1, 2
"""  # noqa: S608


class HitGroup(NamedTuple):
    """Hits that have all of this in common. `period` is the first business date of the period."""

    period: date
    rule: str
    ruleset_version: str
    mode: str
    currency: str
    label: str | None
    orders: int
    amount: int


class FraudGroup(NamedTuple):
    """Orders labelled fraud that one version decided in a period."""

    period: date
    ruleset_version: str
    orders: int


async def count_hits(
    database: QueryExecutor, start: datetime, end: datetime, *, labels_topic: str, period: str, rule: str | None
) -> list[HitGroup]:
    """The hits on orders created from `start` until before `end`, by periods as date_trunc knows them."""
    rows: list[Any] = await database.fetch(_HITS, start, end, labels_topic, period, rule)
    return [HitGroup(*row)._replace(amount=int(row["amount"])) for row in rows]


async def count_fraud(
    database: QueryExecutor, start: datetime, end: datetime, *, labels_topic: str, period: str
) -> list[FraudGroup]:
    """All orders of the range that are labelled fraud."""
    rows: list[Any] = await database.fetch(_FRAUD, start, end, labels_topic, period)
    return [FraudGroup(*row) for row in rows]
