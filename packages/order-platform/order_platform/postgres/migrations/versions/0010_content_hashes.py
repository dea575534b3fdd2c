"""The ledger of loads keeps the hash of what was loaded; `published_partitions` says what the marts are made from."""

from alembic import op

revision = "0010"
down_revision = "0008"

STATEMENTS = (
    "alter table warehouse_loads drop column rows, drop column amount, drop column newest",
    "alter table warehouse_loads add column content_hash bigint",
    "comment on column warehouse_loads.content_hash is 'Of what was loaded; null for loads of earlier releases.'",
    "comment on table warehouse_loads is 'When each partition was loaded last. What it holds is compared, not noted.'",
    """
    create table published_partitions (
        table_name text not null,
        partition_start date not null,
        rows bigint not null,
        content_hash bigint not null,
        primary key (table_name, partition_start)
    )
    """,
    "comment on table published_partitions is 'Dates and months of raw tables that the published marts are made from.'",
)


def upgrade() -> None:
    """Replace the totals by the hash, and add the table."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Bring the totals back, of which nothing is known: every partition is dirty then."""
    op.execute("drop table published_partitions")
    op.execute("alter table warehouse_loads drop column content_hash")
    op.execute(
        "alter table warehouse_loads add column rows bigint not null default 0, add column amount numeric, "
        "add column newest timestamptz"
    )
    op.execute("alter table warehouse_loads alter column rows drop default")
