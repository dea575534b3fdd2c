"""Labels, one row per label event; and the labels that a feature state had read, as part of what an order saw."""

from alembic import op

revision = "0015"
down_revision = "0017"

# A number of seven bits a byte; 0 in more than one byte is never written as an offset, and begins the labels.
_DECODED = """
        for position in 0 .. length(seen) - 1 loop
            number := number | ((get_byte(seen, position) & 127)::bigint << shift);
            shift := shift + 7;
            continue when get_byte(seen, position) > 127;
"""

_STATEMENTS = (
    """
    create table labels (
        topic text not null,
        epoch integer not null,
        partition integer not null,
        "offset" bigint not null,
        order_id text not null,
        label text not null check (label in ('fraud', 'legitimate', 'chargeback')),
        source text not null,
        author text,
        labelled_at timestamptz not null,
        note text,
        appended_at timestamptz not null,
        recorded_at timestamptz not null default now(),
        primary key (topic, epoch, partition, "offset")
    )
    """,
    """
    comment on table labels is
    'Label events, never changed: an order''s current label is the one of the newest epoch and highest offset.'
    """,
    "comment on column labels.labelled_at is 'When the verdict was made, as the event says.'",
    "comment on column labels.appended_at is 'When the broker appended the event.'",
    'create index labels_by_order on labels (order_id, epoch desc, "offset" desc)',
    f"""
    create or replace function seen_offsets(seen bytea, own_partition integer, own_offset bigint) returns bigint[]
    language plpgsql immutable as $$
    declare
        offsets bigint[] := '{{}}';
        number bigint := 0;
        shift integer := 0;
    begin
        {_DECODED}
            exit when number = 0 and shift > 7;
            offsets := offsets || number;
            number := 0;
            shift := 0;
        end loop;
        for missing in cardinality(offsets) .. own_partition loop
            offsets := offsets || 0::bigint;
        end loop;
        offsets[own_partition + 1] := own_offset;
        return offsets;
    end
    $$
    """,
    f"""
    create function seen_labels(seen bytea, out epoch integer, out offsets bigint[])
    language plpgsql immutable as $$
    declare
        number bigint := 0;
        shift integer := 0;
    begin
        {_DECODED}
            if offsets is not null then
                offsets := offsets || number;
            elsif epoch = 0 then
                epoch := number;
                offsets := '{{}}';
            elsif number = 0 and shift > 7 then
                epoch := 0;
            end if;
            number := 0;
            shift := 0;
        end loop;
    end
    $$
    """,
    """
    comment on function seen_labels(bytea) is
    'The epoch of topic labels and its next offsets by partition that an order saw; null when it saw no labels.'
    """,
    # A label that was redriven is stored when it is in the table.
    """
    create or replace view redrive_outcomes as
    select
        redrives.*,
        case
            when published_at is not null
                then coalesce(
                    refused.outcome,
                    case when num_nonnulls(stored.order_id, removed.topic, label.order_id) > 0 then 'stored' end,
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
    left join labels as label
        on label.topic = redrives.topic
            and label.epoch = redrives.new_epoch
            and label.partition = redrives.new_partition
            and label."offset" = redrives.new_offset
    """,
)


def upgrade() -> None:
    """Add the table, and the function beside the one that decodes the offsets of orders."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Not offered."""
    raise NotImplementedError("labels are not thrown away by a migration; restore a backup instead")
