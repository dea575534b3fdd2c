"""The audit log: who changed what, and why. Entries are added, and neither changed nor deleted."""

from alembic import op

revision = "0016"
down_revision = "0014"

_STATEMENTS = (
    """
    create table audit_log (
        id bigint generated always as identity primary key,
        at timestamptz not null default clock_timestamp(),
        actor text not null check (actor <> ''),
        action text not null check (action <> ''),
        subject_kind text not null,
        subject_id text not null,
        reason text,
        before jsonb,
        after jsonb
    )
    """,
    """
    comment on table audit_log is
    'Changes of lists, labels and rulesets: who, what and why. Entries are added, and neither changed nor deleted.'
    """,
    "create index audit_log_subject on audit_log (subject_kind, subject_id, id)",
    """
    create function refuse_audit_change() returns trigger language plpgsql as $$
    begin
        raise exception 'audit_log takes new entries only: % is refused', lower(tg_op)
            using errcode = 'insufficient_privilege', hint = 'Add an entry that corrects the earlier one.';
    end
    $$
    """,
    # Also without rows: a statement that would change nothing is a mistake all the same.
    """
    create trigger refuse_audit_change before update or delete or truncate on audit_log
    for each statement execute function refuse_audit_change()
    """,
)


def upgrade() -> None:
    """Add the table and the trigger."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Not offered."""
    raise NotImplementedError("who changed what would be forgotten; keep the table, or copy it elsewhere first")
