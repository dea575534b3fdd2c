"""Redrives: dead letters that were published again, by whom, and their outcomes."""

from alembic import op

revision = "0004"
down_revision = "0003"

STATEMENTS = (
    """
    create table redrives (
        topic text not null,
        partition integer not null,
        "offset" bigint not null,
        attempt integer not null check (attempt > 0),
        redriven_by text not null,
        corrected boolean not null,
        order_id text,
        started_at timestamptz not null default now(),
        new_partition integer,
        new_offset bigint,
        published_at timestamptz,
        primary key (topic, partition, "offset", attempt),
        foreign key (topic, partition, "offset") references stream_outcomes on delete cascade,
        check (num_nulls(new_partition, new_offset, published_at) in (0, 3))
    )
    """,
    "comment on table redrives is 'Attempts to publish a dead letter again: begun before, completed after publishing.'",
    "comment on column redrives.order_id is 'The order that the published message claims to be.'",
    # An order is found by its id: an index on where orders came from would cost every order something.
    """
    create view redrive_outcomes as
    select
        redrives.*,
        case
            when published_at is not null
                then coalesce(refused.outcome, case when stored.order_id is not null then 'stored' end, 'pending')
            when started_at > now() - interval '1 minute' then 'publishing'
            else 'unconfirmed'
        end as outcome
    from redrives
    left join stream_outcomes as refused
        on refused.topic = redrives.topic
            and refused.partition = redrives.new_partition
            and refused."offset" = redrives.new_offset
    left join orders as stored
        on stored.order_id = redrives.order_id
            and stored.source_partition = redrives.new_partition
            and stored.source_offset = redrives.new_offset
    """,
    "comment on view redrive_outcomes is 'Redrives with their outcomes.'",
    """
    create view dead_letters as
    select
        letter.topic,
        letter.partition,
        letter."offset",
        letter.outcome as kind,
        letter.order_id,
        coalesce(letter.error_type, letter.outcome) as error_type,
        coalesce(letter.error, '') as error,
        letter.recorded_at,
        coalesce(newest.attempt, 0) as redrives,
        coalesce(newest.outcome, 'open') as state
    from stream_outcomes as letter
    left join lateral (
        select attempt, outcome
        from redrive_outcomes
        where redrive_outcomes.topic = letter.topic
            and redrive_outcomes.partition = letter.partition
            and redrive_outcomes."offset" = letter."offset"
        order by attempt desc
        limit 1
    ) as newest on true
    where letter.outcome in ('dead-letter', 'conflict')
    """,
    "comment on view dead_letters is 'Rejected messages, with the outcome of their last redrive.'",
    # Only refused messages are in it: storing an order costs nothing more.
    """
    create index dead_letters_by_time on stream_outcomes (recorded_at, topic, partition, "offset")
    where outcome in ('dead-letter', 'conflict')
    """,
)


def upgrade() -> None:
    """Add table and views."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove them."""
    op.execute("drop index dead_letters_by_time")
    op.execute("drop view dead_letters")
    op.execute("drop view redrive_outcomes")
    op.execute("drop table redrives")
