"""Published marts say whether they are complete: of a very long one only the first rows are published."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column; what is published is complete."""
    op.execute("alter table published_marts add column complete boolean not null default true")


def downgrade() -> None:
    """Drop it."""
    op.execute("alter table published_marts drop column complete")
