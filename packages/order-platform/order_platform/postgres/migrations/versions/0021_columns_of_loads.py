"""The ledger of loads says how many columns of its table a load knew: later releases have more."""

from alembic import op

revision = "0021"
down_revision = "0020"

_STATEMENTS = (
    "alter table warehouse_loads add column columns integer check (columns > 0)",
    """
    comment on column warehouse_loads.columns is
    'Columns that the raw table had when the partition was loaded; null for loads of earlier releases.'
    """,
)


def upgrade() -> None:
    """Add the column."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop the column."""
    op.execute("alter table warehouse_loads drop column columns")
