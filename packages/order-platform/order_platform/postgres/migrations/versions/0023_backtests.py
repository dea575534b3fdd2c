"""Backtests that the API runs, with their reports."""

from alembic import op

revision = "0023"
down_revision = "0022"

_STATEMENTS = (
    """
    create table backtests (
        id bigint primary key generated always as identity,
        requested_at timestamptz not null default clock_timestamp(),
        author text not null,
        ruleset_name text not null,
        ruleset_version text not null,
        against_name text,
        against_version text,
        since timestamptz not null,
        until timestamptz not null check (until > since),
        state text not null default 'queued'
            check (state in ('queued', 'running', 'done', 'failed', 'cancelled', 'interrupted')),
        reported_at timestamptz not null default clock_timestamp(),
        started_at timestamptz,
        ended_at timestamptz,
        orders bigint check (orders >= 0),
        decided bigint not null default 0 check (decided >= 0),
        error text,
        report jsonb,
        page text
    )
    """,
    """
    comment on table backtests is
    'Backtests that were requested of the API. Without a report (reported_at) for 15 s it is interrupted.'
    """,
)


def upgrade() -> None:
    """Add the table."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop it, with the reports."""
    op.execute("drop table backtests")
