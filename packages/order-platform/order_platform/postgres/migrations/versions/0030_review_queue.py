"""The review queue: reviews that decisions open and labels close, by routes; notes and saved searches of analysts."""

from alembic import op

revision = "0030"
down_revision = "0029"

_REVIEWS = (
    """
    alter table reviews
        add column queue text not null default 'retroactive',
        add column stage text not null default 'first' check (stage in ('first', 'second')),
        add column risk_score smallint not null default 0,
        add column amount bigint,
        add column currency text,
        add column due_at timestamptz not null default clock_timestamp() + interval '1 day',
        add column claimed_by text,
        add column claimed_until timestamptz,
        add column escalated_at timestamptz,
        add column escalated_by text,
        add column decided_by text,
        add column decided_until timestamptz,
        add column default_action_at timestamptz,
        add column first_author text,
        add column first_label text,
        add column second_label text,
        add column closed_at timestamptz,
        -- What comes first is smaller: escalated, then score (7 bits), then rupiah (amounts have at most 50 bits).
        add column rank bigint generated always as (
            -((case when escalated_at is null then 0 else 1 end)::bigint << 58)
            - (risk_score::bigint << 50)
            - (case currency when 'IDR' then amount else 0 end)
        ) stored
    """,
    """
    comment on table reviews is
    'Orders that a person is to look at, and why: the review queue. A label closes one.'
    """,
    "comment on column reviews.queue is 'Name of the route that the order took; retroactive when a person opened it.'",
    """
    comment on column reviews.decided_by is
    'Who published a label whose storing closes it; until decided_until it is in the queue of no other person.'
    """,
    """
    comment on column reviews.first_author is
    'Whose label closed the first stage; another person is to look at the order in the second.'
    """,
    "comment on column reviews.rank is 'Place in the queue, smaller first: escalated, then by score, then by rupiah.'",
    """
    update reviews set closed_at = (
        select min(appended_at) from labels
        where labels.order_id = reviews.order_id and labels.appended_at > reviews.opened_at
    )
    """,
    """
    update reviews set risk_score = orders.risk_score, amount = orders.amount, currency = orders.currency
    from orders where orders.order_id = reviews.order_id
    """,
    "drop view open_reviews",
    "create view open_reviews as select * from reviews where closed_at is null",
    "create index reviews_open on reviews (rank, due_at, order_id) where closed_at is null",
    "create index reviews_open_by_queue on reviews (queue, rank, due_at, order_id) where closed_at is null",
    "create index reviews_due on reviews (due_at) where closed_at is null",
    "create index reviews_claimed on reviews (claimed_by) where closed_at is null and claimed_by is not null",
    """
    create index reviews_open_second on reviews (rank, due_at, order_id)
    where closed_at is null and stage = 'second'
    """,
    "create index reviews_second on reviews (closed_at) where second_label is not null",
)

_ROUTES = (
    """
    create table review_routes (
        position integer primary key,
        name text not null unique,
        rule text,
        outcome text check (outcome in ('review', 'decline')),
        country text,
        payment_method text,
        min_amount bigint,
        currency text,
        due_minutes integer not null check (due_minutes > 0),
        default_action text not null check (default_action in ('none', 'fraud', 'legitimate', 'escalate')),
        second_review_percent integer not null check (second_review_percent between 0 and 100),
        check ((min_amount is null) = (currency is null))
    )
    """,
    """
    comment on table review_routes is
    'Which flagged orders enter the review queue, and until when a person is to look: the first that matches counts.'
    """,
    """
    create view active_review_routes as
    select * from review_routes
    union all
    select 1, 'default', null, 'review', null, null, null, null, 1440, 'none', 5
    where not exists (select from review_routes)
    """,
    "comment on view active_review_routes is 'The routes, or the default one when there are none.'",
)

_TRIGGERS = (
    # All that storing a flagged order costs: routing it takes several times as long, and is done beside it.
    "create table review_intake (order_id text not null)",
    "comment on table review_intake is 'Flagged orders that no route was looked up for yet: route_flagged_orders.'",
    """
    create function note_flagged_order() returns trigger language plpgsql as $$
    begin
        insert into review_intake (order_id) values (new.order_id);
        return null;
    end
    $$
    """,
    """
    create trigger note_flagged_order after insert on orders
    for each row when (new.outcome <> 'approve') execute function note_flagged_order()
    """,
    # Without statistics of the intake the planner would read all orders.
    """
    create function route_flagged_orders(most integer) returns integer language sql set enable_seqscan = off as $$
        with taken as (
            delete from review_intake
            where ctid = any(array(select ctid from review_intake limit most for update skip locked))
            returning order_id
        ),
        opened as (
            insert into reviews (
                order_id, rules, ruleset_version, opened_by, reason, queue, risk_score, amount, currency, due_at
            )
            select
                flagged.order_id,
                array(select hit ->> 'rule' from json_array_elements(hits) as hit where hit ->> 'mode' = 'live'),
                ruleset_version, 'decision', flagged.outcome, route.name, risk_score, amount, flagged.currency,
                clock_timestamp() + route.due_minutes * interval '1 minute'
            from taken
            join orders as flagged using (order_id)
            cross join lateral (
                select name, due_minutes from active_review_routes as each
                where (each.rule is null or each.rule = any(rule_ids))
                    and (each.outcome is null or each.outcome = flagged.outcome)
                    and (each.country is null or each.country = flagged.country)
                    and (each.payment_method is null or each.payment_method = flagged.payment_method)
                    and (each.min_amount is null or (each.currency = flagged.currency and min_amount <= amount))
                order by position limit 1
            ) as route
            where not exists (select from labels where labels.order_id = flagged.order_id)
            on conflict (order_id) do nothing
        )
        select count(*)::integer from taken
    $$
    """,
    """
    comment on function route_flagged_orders(integer) is
    'Open the reviews of up to so many flagged orders by the routes; returns how many orders were looked at.'
    """,
    # Of the analysts' verdicts a sample opens the review again, for another person. Whether an order is in it depends
    # on its id alone.
    """
    create function close_review() returns trigger language plpgsql as $$
    begin
        update reviews set
            first_label = case when stage = 'first' then new.label else first_label end,
            first_author = case when stage = 'first' then new.author else first_author end,
            second_label = case when stage = 'second' then new.label end,
            closed_at = greatest(new.appended_at, opened_at),
            claimed_by = null, claimed_until = null, decided_by = null, decided_until = null
        where order_id = new.order_id and closed_at is null
            and (stage = 'first' or new.author is distinct from first_author);
        if found and new.source = 'analyst' and new.author is not null then
            update reviews set
                stage = 'second', closed_at = null, default_action_at = null,
                due_at = clock_timestamp() + route.due_minutes * interval '1 minute'
            from active_review_routes as route
            where order_id = new.order_id and stage = 'first' and route.name = queue
                and ('x' || left(md5(order_id), 7))::bit(28)::integer % 100 < second_review_percent;
        end if;
        return null;
    end
    $$
    """,
    "create trigger close_review after insert on labels for each row execute function close_review()",
    # Reviews leave with their orders.
    """
    create or replace function retire_orders(most integer) returns integer language sql as $$
        with frozen as (
            select partition_start as day from warehouse_loads
            where table_name = 'orders' and frozen_at is not null
                and partition_start < (select retired_before from retention)
        ),
        chosen as (
            select order_id from orders
            where created_date < (select retired_before::timestamp at time zone 'Asia/Jakarta' from retention)
                and (created_date at time zone 'Asia/Jakarta')::date in (select day from frozen)
            order by created_date, order_id
            limit most
        ),
        removed as (
            delete from orders using chosen where orders.order_id = chosen.order_id
            returning orders.order_id, source_topic, source_epoch, source_partition, source_offset
        ),
        without_reviews as (
            delete from reviews using removed where reviews.order_id = removed.order_id
        ),
        numbered as (
            select *, source_offset - row_number() over (
                partition by source_topic, source_epoch, source_partition order by source_offset
            ) as island
            from removed
        ),
        recorded as (
            insert into retired_offsets (topic, epoch, partition, first_offset, next_offset)
            select source_topic, source_epoch, source_partition, min(source_offset), max(source_offset) + 1
            from numbered
            group by source_topic, source_epoch, source_partition, island
        )
        select count(*)::integer from removed
    $$
    """,
    # Orders of earlier days are not looked at any more.
    """
    insert into review_intake (order_id)
    select order_id from orders
    where outcome <> 'approve' and created_date > now() - interval '7 days'
        and not exists (select from labels where labels.order_id = orders.order_id)
    """,
)

_NOTES = (
    """
    create table notes (
        id bigint generated always as identity primary key,
        subject_kind text not null,
        subject_id text not null,
        author text not null,
        written_at timestamptz not null default clock_timestamp(),
        text text not null
    )
    """,
    "comment on table notes is 'What people wrote about orders, users, devices ..; a correction is a new note.'",
    "create index notes_by_subject on notes (subject_kind, subject_id, id desc)",
    """
    create table saved_searches (
        key_id text not null references api_keys,
        name text not null,
        query text not null,
        shared boolean not null,
        saved_at timestamptz not null default clock_timestamp(),
        primary key (key_id, name)
    )
    """,
    "comment on table saved_searches is 'Query strings that people keep under a name, for themselves or for all.'",
    "create index saved_searches_shared on saved_searches (name) where shared",
    "alter table labels add column reason text",
    "comment on column labels.reason is 'Why, of the reasons that order_contract.label lists.'",
)


def upgrade() -> None:
    """Add columns, tables and triggers; flagged orders of the last 7 days enter the queue."""
    for statement in (*_REVIEWS, *_ROUTES, *_TRIGGERS, *_NOTES):
        op.execute(statement)


def downgrade() -> None:
    """Not offered."""
    raise NotImplementedError("notes, verdicts and who is looking at what would be lost; restore a backup instead")
