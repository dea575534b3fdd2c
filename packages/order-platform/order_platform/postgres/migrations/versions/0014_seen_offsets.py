"""What the feature state had read when an order was decided, so that its history features can be computed again."""

from alembic import op

revision = "0014"
down_revision = "0011"

_STATEMENTS = (
    "alter table orders add column seen bytea",
    """
    comment on column orders.seen is
    'Next offset of each partition of orders that the history features had read; seen_offsets decodes it.'
    """,
    """
    create function seen_offsets(seen bytea, own_partition integer, own_offset bigint) returns bigint[]
    language plpgsql immutable as $$
    declare
        offsets bigint[] := '{}';
        number bigint := 0;
        shift integer := 0;
    begin
        for position in 0 .. length(seen) - 1 loop
            number := number | ((get_byte(seen, position) & 127)::bigint << shift);
            shift := shift + 7;
            if get_byte(seen, position) < 128 then
                offsets := offsets || number;
                number := 0;
                shift := 0;
            end if;
        end loop;
        for missing in cardinality(offsets) .. own_partition loop
            offsets := offsets || 0::bigint;
        end loop;
        offsets[own_partition + 1] := own_offset;
        return offsets;
    end
    $$
    """,
    """
    comment on function seen_offsets(bytea, integer, bigint) is
    'Next offsets of orders by partition, the first one of partition 0, that an order of this partition and offset saw.'
    """,
)


def upgrade() -> None:
    """Add the column, and the function that decodes it."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop both; the features of stored orders cannot be verified any more."""
    op.execute("drop function seen_offsets(bytea, integer, bigint)")
    op.execute("alter table orders drop column seen")
