"""Reviews of orders that were approved and that a person is to look at."""

from alembic import op

revision = "0024"
down_revision = "0023"

_STATEMENTS = (
    """
    create table reviews (
        order_id text primary key,
        rules text[] not null,
        ruleset_version text not null,
        opened_at timestamptz not null default clock_timestamp(),
        opened_by text not null,
        reason text not null
    )
    """,
    """
    comment on table reviews is
    'Orders that a person is to look at, and why; a review is open until its order has a newer label.'
    """,
    """
    create view open_reviews as
    select * from reviews
    where not exists (
        select from labels where labels.order_id = reviews.order_id and labels.appended_at > reviews.opened_at
    )
    """,
)


def upgrade() -> None:
    """Add the table, and the view of those that are open."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop both."""
    op.execute("drop view open_reviews")
    op.execute("drop table reviews")
