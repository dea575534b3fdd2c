"""Which ruleset was active when: one row per activation, the newest is the active one, and a notification for each."""

from alembic import op

revision = "0017"
down_revision = "0016"

_STATEMENTS = (
    """
    create table ruleset_activations (
        activation bigint generated always as identity primary key,
        version text not null references rulesets (version),
        action text not null check (action in ('initial', 'publish', 'rollback')),
        author text not null,
        message text,
        activated_at timestamptz not null default clock_timestamp()
    )
    """,
    """
    comment on table ruleset_activations is
    'Every activation of a ruleset version, append only; the one with the greatest number is active.'
    """,
    "comment on table rulesets is 'Every ruleset that was published or decided an order, by the hash of its content.'",
    """
    create function notify_rulesets() returns trigger language plpgsql as $$
    begin
        perform pg_notify('rulesets', new.version);
        return null;
    end
    $$
    """,
    """
    create trigger notify_rulesets after insert on ruleset_activations
    for each row execute function notify_rulesets()
    """,
)


def upgrade() -> None:
    """Add the table and its notifications."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop both; detectors decide by the file of their setting, or by the default ruleset."""
    op.execute("drop table ruleset_activations")
    op.execute("drop function notify_rulesets()")
    op.execute("comment on table rulesets is 'Every ruleset that decided an order, by the hash of its content.'")
