"""SQL about how rules work: hits by label, all labelled fraud, rules that fire together, orders by risk score."""

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


# A pair of a rule with itself has its hits.
_PAIRS: Final = """
    select one.rule, other.rule, count(*)
    from orders, unnest(rule_ids) as one (rule), unnest(rule_ids) as other (rule)
    where rule_ids is not null and created_date >= $1 and created_date < $2 and one.rule <= other.rule
    group by 1, 2
"""
_SCORES: Final = """
    select risk_score, currency, null, count(*), sum(amount) from orders
    where created_date >= $1 and created_date < $2 group by 1, 2
"""
_LABELLED_SCORES: Final = f"""
    select risk_score, currency, label, count(*), sum(amount)
    from (
        select distinct on (order_id) order_id, risk_score, currency, amount, {_COUNTED} as label
        from labels join orders using (order_id)
        where topic = $3 and created_date >= $1 and created_date < $2
        order by order_id, epoch desc, "offset" desc, partition desc
    ) as newest
    group by 1, 2, 3
"""  # noqa: S608


class Pair(NamedTuple):
    """Orders on which both rules fire; of a rule with itself, all of its hits."""

    one: str
    other: str
    orders: int


class ScoreGroup(NamedTuple):
    """Orders of one risk score, currency and label; all of them, labelled or not, where `label` is None."""

    score: int
    currency: str
    label: str | None
    orders: int
    amount: int


class HitGroup(NamedTuple):
    """Hits that have all of this in common. `period` is the first business date of the period."""

    period: date
    rule: str
    ruleset_version: str | None
    mode: str
    currency: str
    label: str | None
    orders: int
    amount: int


class FraudGroup(NamedTuple):
    """Orders labelled fraud that one version decided in a period."""

    period: date
    ruleset_version: str | None
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


async def count_pairs(database: QueryExecutor, start: datetime, end: datetime) -> list[Pair]:
    """Each pair of rules that fire on the same orders, and each rule with itself."""
    rows: list[Any] = await database.fetch(_PAIRS, start, end)
    return [Pair(*row) for row in rows]


async def count_scores(
    database: QueryExecutor, start: datetime, end: datetime, *, labels_topic: str
) -> list[ScoreGroup]:
    """The orders by risk score and currency, and again those that are labelled, by label."""
    rows: list[Any] = await database.fetch(_SCORES, start, end)
    rows += await database.fetch(_LABELLED_SCORES, start, end, labels_topic)
    return [ScoreGroup(*row)._replace(amount=int(row[4])) for row in rows]
