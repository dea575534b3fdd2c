"""Topics that are deleted and created again: each creation of a topic is an epoch, and every origin names its own."""

from alembic import op
from sqlalchemy import text

revision = "0007"
down_revision = "0006"

STATEMENTS = (
    """
    create table topic_epochs (
        topic text not null,
        epoch integer not null check (epoch > 0),
        topic_id uuid,
        first_seen_at timestamptz not null default now(),
        primary key (topic, epoch)
    )
    """,
    """
    comment on table topic_epochs is
    'Each creation of a topic, numbered from 1; topic_id is the broker''s, null where none is known.'
    """,
    """
    create table group_positions (
        consumer_group text not null,
        topic text not null,
        epoch integer not null,
        partition integer not null,
        next_offset bigint not null check (next_offset >= 0),
        recorded_at timestamptz not null default now(),
        primary key (consumer_group, topic, epoch, partition),
        foreign key (topic, epoch) references topic_epochs
    )
    """,
    """
    comment on table group_positions is
    'Where a consumer group was in each partition, by epoch; the newest epoch is the one that the group reads.'
    """,
    # A column with a constant default is added without rewriting the table. All that is stored so far came from the
    # first epoch of one topic, which the other tables name.
    """
    do $$
    declare
        topic text := coalesce(
            (select topic from stream_outcomes group by topic order by count(*) desc limit 1),
            current_setting('orderwatch.orders_topic')
        );
    begin
        execute format('alter table orders add column source_topic text not null default %L', topic);
        insert into topic_epochs (topic, epoch) select topic, 1 where exists (select from orders);
    end
    $$
    """,
    "insert into topic_epochs (topic, epoch) select distinct topic, 1 from stream_outcomes on conflict do nothing",
    "insert into topic_epochs (topic, epoch) select distinct topic, 1 from stream_gaps on conflict do nothing",
    "alter table orders add column source_epoch integer not null default 1",
    "alter table orders alter column source_topic drop default",
    "alter table orders alter column source_epoch drop default",
    "comment on column orders.source_epoch is 'Which creation of source_topic: see topic_epochs.'",
    "alter table stream_outcomes add column epoch integer not null default 1",
    "alter table redrives add column epoch integer not null default 1",
    "alter table redrives add column new_epoch integer",
    "update redrives set new_epoch = 1 where new_partition is not null",
    "alter table redrives add check (num_nulls(new_epoch, new_partition) in (0, 2))",
    "alter table stream_gaps add column epoch integer not null default 1",
    "alter table stream_gaps drop constraint stream_gaps_pkey",
    "alter table stream_gaps add primary key (topic, epoch, partition, first_offset)",
    "drop view dead_letters",
    "drop view redrive_outcomes",
    'alter table redrives drop constraint "redrives_topic_partition_offset_fkey"',
    "alter table redrives drop constraint redrives_pkey",
    "alter table stream_outcomes drop constraint stream_outcomes_pkey",
    'alter table stream_outcomes add primary key (topic, epoch, partition, "offset")',
    'alter table redrives add primary key (topic, epoch, partition, "offset", attempt)',
    """
    alter table redrives add foreign key (topic, epoch, partition, "offset")
    references stream_outcomes on delete cascade
    """,
    "drop index dead_letters_by_time",
    """
    create index dead_letters_by_time on stream_outcomes (recorded_at, topic, epoch, partition, "offset")
    where outcome in ('dead-letter', 'conflict')
    """,
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
            and refused.epoch = redrives.new_epoch
            and refused.partition = redrives.new_partition
            and refused."offset" = redrives.new_offset
    left join orders as stored
        on stored.order_id = redrives.order_id
            and stored.source_topic = redrives.topic
            and stored.source_epoch = redrives.new_epoch
            and stored.source_partition = redrives.new_partition
            and stored.source_offset = redrives.new_offset
    """,
    "comment on view redrive_outcomes is 'Redrives with the outcome of each.'",
    """
    create view dead_letters as
    select
        letter.topic,
        letter.partition,
        letter."offset",
        letter.epoch,
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
            and redrive_outcomes.epoch = letter.epoch
            and redrive_outcomes.partition = letter.partition
            and redrive_outcomes."offset" = letter."offset"
        order by attempt desc
        limit 1
    ) as newest on true
    where letter.outcome in ('dead-letter', 'conflict')
    """,
    "comment on view dead_letters is 'Messages that were refused, with the outcome of their last redrive.'",
)


def upgrade() -> None:
    """Add the epochs."""
    op.get_bind().execute(
        text("select set_config('orderwatch.orders_topic', :topic, true)"),
        {"topic": op.get_context().config.attributes["orders_topic"]},  # type: ignore[union-attr]  # always configured
    )
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Not offered."""
    raise NotImplementedError("origins of several epochs cannot be distinguished without the column; restore a backup")
