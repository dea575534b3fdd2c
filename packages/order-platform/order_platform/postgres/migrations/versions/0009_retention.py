"""Retention: orders before a date can be removed once the warehouse holds them, and earlier ones are not stored."""

from alembic import op

revision = "0009"
down_revision = "0010"

# The advisory lock 20312 (any constant serves): storing holds it shared until its commit, moving the boundary alone.
STATEMENTS = (
    """
    create table retention (
        singleton boolean primary key default true check (singleton),
        retired_before date not null,
        updated_at timestamptz not null default now()
    )
    """,
    "comment on table retention is 'One row, or none: orders of business dates before retired_before are not stored.'",
    """
    create table retired_offsets (
        topic text not null,
        epoch integer not null,
        partition integer not null,
        first_offset bigint not null,
        next_offset bigint not null check (next_offset > first_offset),
        retired_at timestamptz not null default now(),
        primary key (topic, epoch, partition, first_offset)
    )
    """,
    "comment on table retired_offsets is 'Offset ranges of orders that were stored and then removed by retention.'",
    "alter table warehouse_loads add column frozen_at timestamptz",
    """
    comment on column warehouse_loads.frozen_at is
    'Since when the partition is neither compared nor loaded again: Postgres no longer holds its orders.'
    """,
    # Volatile: each statement in it sees what was committed before it, also what was committed while it waited.
    """
    create function storable_from() returns timestamptz language plpgsql volatile as $$
    begin
        perform pg_advisory_xact_lock_shared(20312);
        return coalesce(
            (select retired_before::timestamp at time zone 'Asia/Jakarta' from retention), '0001-01-01Z'::timestamptz
        );
    end
    $$
    """,
    """
    comment on function storable_from() is
    'Orders created before this time are not stored; stays so until the end of the transaction that asks.'
    """,
    """
    create function move_retention(before date) returns void language plpgsql as $$
    begin
        perform pg_advisory_xact_lock(20312);
        insert into retention (retired_before) values (before)
        on conflict (singleton) do update set retired_before = excluded.retired_before, updated_at = now()
        where retention.retired_before < excluded.retired_before;
    end
    $$
    """,
    "comment on function move_retention(date) is 'Store no orders of earlier dates from now on; never moves back.'",
    """
    create function retire_orders(most integer) returns integer language sql as $$
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
            returning source_topic, source_epoch, source_partition, source_offset
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
    """
    comment on function retire_orders(integer) is
    'Remove up to so many orders of frozen dates, oldest first, and record their offsets; returns how many.'
    """,
    # A redrive whose order was stored and then removed stays stored.
    """
    create or replace view redrive_outcomes as
    select
        redrives.*,
        case
            when published_at is not null
                then coalesce(
                    refused.outcome,
                    case when stored.order_id is not null or removed.topic is not null then 'stored' end,
                    'pending'
                )
            when started_at > now() - interval '1 minute' then 'publishing'
            else 'unconfirmed'
        end as outcome
    from redrives
    left join stream_outcomes as refused
        on refused.topic = redrives.topic
            and refused.epoch = redrives.new_epoch
            and refused.partition = redrives.new_partition
            and refused."offset" = redrives.new_offset
    left join orders as stored
        on stored.order_id = redrives.order_id
            and stored.source_topic = redrives.topic
            and stored.source_epoch = redrives.new_epoch
            and stored.source_partition = redrives.new_partition
            and stored.source_offset = redrives.new_offset
    left join retired_offsets as removed
        on removed.topic = redrives.topic
            and removed.epoch = redrives.new_epoch
            and removed.partition = redrives.new_partition
            and redrives.new_offset >= removed.first_offset
            and redrives.new_offset < removed.next_offset
    """,
)


def upgrade() -> None:
    """Add retention; nothing is retired yet."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Not offered."""
    raise NotImplementedError("orders that were removed cannot be accounted for without the tables; restore a backup")
