"""Notifications on channel `recorded` when orders or other outcomes are inserted."""

from alembic import op

revision = "0002"
down_revision = "0001"

# One notification per statement: Postgres sends those of a transaction once, after its commit.
STATEMENTS = (
    """
    create function notify_recorded() returns trigger language plpgsql as $$
    begin
        perform pg_notify('recorded', tg_table_name);
        return null;
    end
    $$
    """,
    """
    create trigger notify_recorded after insert on orders
    for each statement execute function notify_recorded()
    """,
    """
    create trigger notify_recorded after insert on stream_outcomes
    for each statement execute function notify_recorded()
    """,
)


def upgrade() -> None:
    """Add the triggers."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove the triggers."""
    for table in ("orders", "stream_outcomes"):
        op.execute(f"drop trigger notify_recorded on {table}")
    op.execute("drop function notify_recorded()")
