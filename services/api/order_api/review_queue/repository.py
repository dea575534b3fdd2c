"""SQL of the review queue."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import asyncpg

from order_api.review_queue.model import QueueCounts, QueuedReview, QueueFilters, QueuePlace, QueueState, Stage
from order_contract.decision import Outcome
from order_contract.label import Label
from order_platform.postgres.sql_builder import QueryArguments, QueryExecutor

DECIDED_MINUTES: Final = 5
"""How long a review whose label was published is out of the queue, at most, until the label is stored."""

_UNCLAIMED: Final = "(claimed_until is null or claimed_until <= now())"
_UNDECIDED: Final = "(decided_until is null or decided_until <= now())"
_OPEN: Final = f"closed_at is null and {_UNDECIDED}"
_STATES: Final[Mapping[QueueState, str]] = {
    QueueState.WAITING: _UNCLAIMED,
    QueueState.CLAIMED: "claimed_until > now()",
    QueueState.OVERDUE: "due_at <= now()",
    QueueState.ESCALATED: "escalated_at is not null",
    QueueState.SECOND: "stage = 'second'",
}
_COLUMNS: Final = """
    review.order_id, queue, stage, rules, review.ruleset_version, review.risk_score, review.amount, review.currency,
    opened_at, opened_by, reason, due_at, due_at <= now() as is_overdue,
    case when claimed_until > now() then claimed_by end as claimed_by,
    case when claimed_until > now() then claimed_until end as claimed_until,
    escalated_at, escalated_by, user_id, product_id, quantity, payment_method, country, created_date, outcome, rank
"""


def _with_orders(reviews: str) -> str:
    """Select reviews with their orders; `reviews` is SQL that gives rows of table `reviews`."""
    return f"""
        select {_COLUMNS} from ({reviews}) as review left join orders using (order_id) order by rank, due_at, order_id
    """  # noqa: S608  (our own names)


async def page_queue(
    database: QueryExecutor, filters: QueueFilters, author: str, after: QueuePlace | None, count: int
) -> Sequence[QueuedReview]:
    """Up to `count` open reviews in the queue's order, after a place. `author` is the person who asks."""
    arguments = QueryArguments()
    person = arguments.add(author)
    conditions = [_OPEN, f"(stage = 'first' or first_author <> {person})"]
    conditions += arguments.conditions(filters._replace(state=None), {"queue": "queue = {}", "rule": "{} = any(rules)"})
    if filters.state is not None:
        conditions.append(_STATES[filters.state])
    if filters.mine:
        conditions.append(f"claimed_by = {person} and claimed_until > now()")
    if after is not None:
        conditions.append(f"(rank, due_at, order_id) > ({', '.join(map(arguments.add, after))})")
    query = f"""
        select * from reviews where {" and ".join(conditions)}
        order by rank, due_at, order_id limit {arguments.add(count)}
    """  # noqa: S608
    return [_read(row) for row in await database.fetch(_with_orders(query), *arguments.values)]


_FIND: Final = _with_orders(f"select * from reviews where order_id = $1 and {_OPEN}")  # noqa: S608


async def find_open(database: QueryExecutor, order_id: str) -> QueuedReview | None:
    """The open review of an order; None when there is none, or its label is being stored."""
    row = await database.fetchrow(_FIND, order_id)
    return None if row is None else _read(row)


def _read(row: asyncpg.Record) -> QueuedReview:
    values = {**row, "stage": Stage(row["stage"])}
    values["outcome"] = None if row["outcome"] is None else Outcome(row["outcome"])
    return QueuedReview(**values)


class ReviewStatus(NamedTuple):
    """Why a review can or cannot be worked on; times are None when they have passed."""

    order_id: str
    closed_at: datetime | None
    label: str | None
    claimed_by: str | None
    claimed_until: datetime | None
    decided_by: str | None
    is_of_another_person: bool


_STATUS: Final = """
    select order_id, closed_at, newest.label,
        case when claimed_until > now() then claimed_by end as claimed_by,
        case when claimed_until > now() then claimed_until end as claimed_until,
        case when decided_until > now() then decided_by end as decided_by,
        stage = 'second' and first_author = $2 as is_of_another_person
    from reviews
    left join lateral (
        select label from labels where labels.order_id = reviews.order_id
        order by epoch desc, "offset" desc, partition desc limit 1
    ) as newest on true
    where order_id = any($1::text[])
"""


async def find_statuses(database: QueryExecutor, order_ids: Sequence[str], author: str) -> dict[str, ReviewStatus]:
    """The status of reviews, open or closed, by order_id, as it is for a person; unknown ones are left out."""
    rows = await database.fetch(_STATUS, order_ids, author)
    return {row["order_id"]: ReviewStatus(**row) for row in rows}


# Of a review that another one has just claimed the row is locked or no longer meets the conditions.
_CLAIM_NEXT: Final = f"""
    with claimed as (
        update reviews set claimed_by = $1, claimed_until = now() + $2
        where order_id = (
            select order_id from reviews
            where {_OPEN} and {_UNCLAIMED} and (stage = 'first' or first_author <> $1)
                and escalated_by is distinct from $1 and {{}}
            order by rank, due_at, order_id limit 1
            for update skip locked
        )
        returning *
    )
    {_with_orders("select * from claimed")}
"""  # noqa: S608
_CLAIM_NEXT_OF_ALL: Final = _CLAIM_NEXT.format("true")
_CLAIM_NEXT_OF_QUEUE: Final = _CLAIM_NEXT.format("queue = $3")


async def claim_next(
    database: QueryExecutor, author: str, lasting: timedelta, queue: str | None
) -> QueuedReview | None:
    """Claim the first review in a queue, or in all, that no person is looking at; None when there is none."""
    if queue is None:
        row = await database.fetchrow(_CLAIM_NEXT_OF_ALL, author, lasting)
    else:
        row = await database.fetchrow(_CLAIM_NEXT_OF_QUEUE, author, lasting, queue)
    return None if row is None else _read(row)


_WORKABLE: Final = f"""
    {_OPEN} and ({_UNCLAIMED} or claimed_by = $2) and (stage = 'first' or first_author <> $2)
"""
_CLAIM: Final = f"""
    update reviews set claimed_by = $2, claimed_until = now() + $3 where order_id = $1 and {_WORKABLE}
    returning order_id
"""  # noqa: S608
_RELEASE: Final = f"""
    update reviews set claimed_by = null, claimed_until = null where order_id = $1 and {_WORKABLE} returning order_id
"""  # noqa: S608
_ESCALATE: Final = f"""
    update reviews set
        escalated_at = clock_timestamp(), escalated_by = $2, claimed_by = null, claimed_until = null
    where order_id = $1 and escalated_at is null and {_WORKABLE}
    returning queue
"""  # noqa: S608


# The row is locked first, as who had claimed it is what the audit log records.
_END_CLAIM: Final = f"""
    with claimed as (
        select order_id, claimed_by, claimed_until from reviews
        where order_id = $1 and {_OPEN} and claimed_until > now()
        for update
    )
    update reviews set claimed_by = null, claimed_until = null
    from claimed where reviews.order_id = claimed.order_id
    returning claimed.claimed_by, claimed.claimed_until
"""  # noqa: S608


async def end_claim(connection: QueryExecutor, order_id: str) -> tuple[str, datetime] | None:
    """End the claim of an open review; returns who had it and until when, None without one."""
    row = await connection.fetchrow(_END_CLAIM, order_id)
    return None if row is None else (row["claimed_by"], row["claimed_until"])


async def claim(database: QueryExecutor, order_id: str, author: str, lasting: timedelta) -> bool:
    """Claim a review, or extend one's claim; whether it could be."""
    return await database.fetchrow(_CLAIM, order_id, author, lasting) is not None


async def release(database: QueryExecutor, order_id: str, author: str) -> bool:
    """End one's claim of a review; whether it could be."""
    return await database.fetchrow(_RELEASE, order_id, author) is not None


async def escalate(connection: QueryExecutor, order_id: str, author: str) -> str | None:
    """Put a review before those that are not escalated, unclaimed; returns its queue, None when it could not be.

    It is not the next one of who escalated it.
    """
    row = await connection.fetchrow(_ESCALATE, order_id, author)
    return None if row is None else str(row["queue"])


# Skipping what is locked, so that requests and labels that are being stored never wait for each other in a circle.
_DECIDE: Final = f"""
    update reviews set decided_by = $2, decided_until = now() + interval '{DECIDED_MINUTES} minutes'
    where order_id in (
        select order_id from reviews where order_id = any($1::text[]) and {_WORKABLE} for update skip locked
    )
    returning order_id
"""  # noqa: S608
# A person who is looking at the order is not interrupted.
_OVERDUE: Final = f"""
    select order_id, default_action from reviews join active_review_routes as route on route.name = queue
    where {_OPEN} and {_UNCLAIMED} and stage = 'first' and due_at <= now() and default_action_at is null
        and default_action = any($1::text[])
    order by due_at limit $2
    for update of reviews skip locked
"""  # noqa: S608
_ESCALATE_OVERDUE: Final = f"""
    update reviews set
        escalated_at = coalesce(escalated_at, clock_timestamp()),
        escalated_by = coalesce(escalated_by, 'route ' || queue), default_action_at = clock_timestamp()
    from ({_OVERDUE}) as overdue where overdue.order_id = reviews.order_id
    returning reviews.order_id, queue, escalated_by
"""  # noqa: S608
_DECIDE_OVERDUE: Final = f"""
    update reviews set
        decided_by = 'route ' || queue, decided_until = clock_timestamp() + interval '{DECIDED_MINUTES} minutes'
    from ({_OVERDUE}) as overdue where overdue.order_id = reviews.order_id
    returning reviews.order_id, decided_by as author, default_action as label
"""  # noqa: S608
_NOTE_DEFAULT_ACTIONS: Final = """
    update reviews set default_action_at = clock_timestamp() where order_id = any($1::text[]) returning order_id
"""
# A label that was being stored while its order's review was being opened has not seen it.
_CLOSE_LABELLED: Final = """
    update reviews set closed_at = greatest(label.appended_at, opened_at)
    from labels as label
    where label.order_id = reviews.order_id and closed_at is null and stage = 'first' and opened_by = 'decision'
        and opened_at > now() - interval '10 minutes'
    returning reviews.order_id
"""


class Overdue(NamedTuple):
    """An overdue review that its route's default action closes: by this label, of this author."""

    order_id: str
    author: str
    label: Label


async def escalate_overdue(connection: QueryExecutor, most: int) -> Sequence[tuple[str, str, str]]:
    """Escalate up to so many overdue reviews whose routes say so; returns order_id, queue and who escalated each."""
    rows = await connection.fetch(_ESCALATE_OVERDUE, ["escalate"], most)
    return [(row["order_id"], row["queue"], row["escalated_by"]) for row in rows]


async def decide_overdue(database: QueryExecutor, most: int) -> Sequence[Overdue]:
    """Take up to so many overdue reviews out of the queue whose routes say which label they get."""
    rows = await database.fetch(_DECIDE_OVERDUE, [Label.FRAUD, Label.LEGITIMATE], most)
    return [Overdue(row["order_id"], row["author"], Label(row["label"])) for row in rows]


async def note_default_actions(database: QueryExecutor, order_ids: Sequence[str]) -> None:
    """Record that the labels of these reviews are published, so that this happens once."""
    await database.fetch(_NOTE_DEFAULT_ACTIONS, order_ids)


async def close_labelled(database: QueryExecutor) -> int:
    """Close reviews that were opened at the moment at which a label of their order was stored; returns how many."""
    return len(await database.fetch(_CLOSE_LABELLED))


_REOPEN: Final = """
    update reviews set decided_by = null, decided_until = null
    where order_id = any($1::text[]) and decided_by = $2 and closed_at is null
    returning order_id
"""


async def decide(database: QueryExecutor, order_ids: Sequence[str], author: str) -> set[str]:
    """Take reviews out of the queue, as their labels are about to be published; returns which could be."""
    return {row["order_id"] for row in await database.fetch(_DECIDE, order_ids, author)}


async def reopen(database: QueryExecutor, order_ids: Sequence[str], author: str) -> None:
    """Put reviews back whose labels were not published."""
    await database.fetch(_REOPEN, order_ids, author)


_COUNT_QUEUES: Final = f"""
    select queue, count(*) as open, count(*) filter (where due_at <= now()) as overdue,
        count(*) filter (where claimed_until > now()) as claimed,
        count(*) filter (where escalated_at is not null) as escalated,
        count(*) filter (where stage = 'second') as second, min(opened_at) as oldest_opened_at
    from reviews where {_OPEN} group by queue order by queue
"""  # noqa: S608
_COUNT_MINE: Final = f"select count(*) from reviews where {_OPEN} and claimed_by = $1 and claimed_until > now()"  # noqa: S608
# A chargeback agrees with fraud.
_COUNT_SECOND: Final = """
    select count(*), count(*) filter (where (first_label = 'legitimate') <> (second_label = 'legitimate'))
    from reviews where second_label is not null and closed_at > now() - interval '30 days'
"""
_SUM_HELD: Final = """
    select currency, sum(amount) as amount from orders
    where outcome <> 'approve' and created_date >= $1 group by currency order by currency
"""


async def list_queue_names(database: QueryExecutor) -> list[str]:
    """The names of the queues that routes lead to."""
    return [row["name"] for row in await database.fetch("select name from active_review_routes order by position")]


async def count_queues(database: QueryExecutor) -> dict[str, QueueCounts]:
    """Open reviews by the name of their queue."""
    return {queue: QueueCounts(*counts) for queue, *counts in await database.fetch(_COUNT_QUEUES)}


async def count_mine(database: QueryExecutor, author: str) -> int:
    """How many reviews a person has claimed."""
    row = await database.fetchrow(_COUNT_MINE, author)
    assert row is not None, "an aggregate has a row"
    return int(row[0])


async def count_second(database: QueryExecutor) -> tuple[int, int]:
    """Second reviews that ended in the last 30 days, and how many of them disagree with the first."""
    row = await database.fetchrow(_COUNT_SECOND)
    assert row is not None, "an aggregate has a row"
    return row[0], row[1]


async def sum_held(database: QueryExecutor, since: datetime) -> dict[str, int]:
    """Amounts of flagged orders that were created since, by currency."""
    return {row["currency"]: int(row["amount"]) for row in await database.fetch(_SUM_HELD, since)}
