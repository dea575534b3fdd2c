"""Drafts of rulesets: what is worked on before it is published, with its authors and its approval."""

from alembic import op

revision = "0025"
down_revision = "0024"

_STATEMENTS = (
    """
    create table ruleset_drafts (
        name text primary key check (name ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(name) <= 100),
        version text not null,
        content text not null,
        base_version text references rulesets (version),
        authors text[] not null check (cardinality(authors) > 0),
        message text,
        updated_at timestamptz not null default clock_timestamp(),
        approved_by text,
        approved_at timestamptz,
        check (num_nulls(approved_by, approved_at) in (0, 2)),
        check (approved_by <> all (authors))
    )
    """,
    """
    comment on table ruleset_drafts is
    'Rulesets that are worked on. Authors are all who changed the draft; a change ends its approval.'
    """,
)


def upgrade() -> None:
    """Add the table."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop the drafts."""
    op.execute("drop table ruleset_drafts")
