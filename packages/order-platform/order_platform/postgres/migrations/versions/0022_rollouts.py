"""Roll-outs of rulesets: beside the active version a candidate, for a percentage of the users."""

from alembic import op

revision = "0022"
down_revision = "0021"

_STATEMENTS = (
    """
    alter table ruleset_activations
        add column candidate text references rulesets (version),
        add column percent smallint check (percent between 1 and 99),
        add column salt text,
        add check (num_nulls(candidate, percent, salt) in (0, 3)),
        drop constraint ruleset_activations_action_check,
        add constraint ruleset_activations_action_check
            check (action in ('initial', 'publish', 'rollback', 'rollout'))
    """,
    """
    comment on column ruleset_activations.candidate is
    'The version that decides the orders of percent of the users, chosen by a hash of their id with salt; null without a
    roll-out.'
    """,
)


def upgrade() -> None:
    """Add the columns."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """End the roll-out, and drop the columns."""
    op.execute("update ruleset_activations set action = 'publish' where action = 'rollout'")
    op.execute("alter table ruleset_activations drop column candidate, drop column percent, drop column salt")
    op.execute("alter table ruleset_activations drop constraint ruleset_activations_action_check")
    op.execute(
        "alter table ruleset_activations add constraint ruleset_activations_action_check "
        "check (action in ('initial', 'publish', 'rollback'))"
    )
