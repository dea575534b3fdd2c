"""How many orders a date had when it was retired: a replay of another source can tell then whether it has them all."""

from alembic import op

revision = "0028"
down_revision = "0027"

_STATEMENTS = (
    "alter table warehouse_loads add column frozen_rows bigint",
    """
    comment on column warehouse_loads.frozen_rows is
    'Orders of the date when it was frozen; null for other tables and for dates that earlier releases froze.'
    """,
)


def upgrade() -> None:
    """Add the column."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop it."""
    op.execute("alter table warehouse_loads drop column frozen_rows")
