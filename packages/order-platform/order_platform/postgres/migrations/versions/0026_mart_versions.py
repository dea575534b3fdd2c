"""Published marts say of which definition they are, so that new dates can be added to what is published."""

from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    """Add the column; what is published is read whole once more."""
    op.execute("alter table published_marts add column version text")


def downgrade() -> None:
    """Drop it."""
    op.execute("alter table published_marts drop column version")
