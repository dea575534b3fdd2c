"""The ledger of loads keeps the hash of what was loaded; rows and sums are compared where they are."""

from alembic import op

revision = "0010"
down_revision = "0008"

STATEMENTS = (
    "alter table warehouse_loads drop column rows, drop column amount, drop column newest",
    "alter table warehouse_loads add column content_hash bigint",
    "comment on column warehouse_loads.content_hash is 'Of what was loaded; null for loads of earlier releases.'",
    "comment on table warehouse_loads is 'When each partition was loaded last. What it holds is compared, not noted.'",
)


def upgrade() -> None:
    """Replace the totals by the hash."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Bring the totals back, of which nothing is known: every partition is dirty then."""
    op.execute("alter table warehouse_loads drop column content_hash")
    op.execute(
        "alter table warehouse_loads add column rows bigint not null default 0, add column amount numeric, "
        "add column newest timestamptz"
    )
    op.execute("alter table warehouse_loads alter column rows drop default")
