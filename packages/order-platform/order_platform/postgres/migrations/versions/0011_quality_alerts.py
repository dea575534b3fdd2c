"""Alerts about the quality of a business date's data: each check sends one per date."""

from alembic import op

revision = "0011"
down_revision = "0013"


def upgrade() -> None:
    """Make the table."""
    op.execute(
        """
        create table quality_alerts (
            check_name text not null,
            business_date date not null,
            message text not null,
            sent_at timestamptz not null default now(),
            primary key (check_name, business_date)
        )
        """
    )
    op.execute("comment on table quality_alerts is 'Alerts that were sent; a check sends one per business date.'")


def downgrade() -> None:
    """Drop it; alerts may be sent again."""
    op.execute("drop table quality_alerts")
