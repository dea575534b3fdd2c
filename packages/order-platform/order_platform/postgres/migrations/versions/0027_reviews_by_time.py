"""Reviews are listed newest first."""

from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    """Add the index."""
    op.execute("create index reviews_by_time on reviews (opened_at desc, order_id desc)")


def downgrade() -> None:
    """Drop it."""
    op.execute("drop index reviews_by_time")
