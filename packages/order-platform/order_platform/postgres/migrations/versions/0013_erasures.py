"""Erasures: which users were erased, as hashes of their ids, and no new versions of them in the catalog."""

from alembic import op

revision = "0013"
down_revision = "0009"

STATEMENTS = (
    """
    create table erasures (
        user_hash text primary key,
        pseudonym text,
        erased_by text not null,
        begun_at timestamptz not null default now(),
        finished_at timestamptz,
        check (finished_at is null or pseudonym is null)
    )
    """,
    "comment on table erasures is 'Users that were erased, by the SHA-256 of their ids; the pseudonym until it ended.'",
    """
    create function skip_erased_users() returns trigger language plpgsql as $$
    begin
        if exists (select from erasures where user_hash = encode(sha256(convert_to(new.user_id, 'UTF8')), 'hex')) then
            return null;
        end if;
        return new;
    end
    $$
    """,
    "create trigger skip_erased_users before insert on users for each row execute function skip_erased_users()",
)


def upgrade() -> None:
    """Add the table and the trigger."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Not offered."""
    raise NotImplementedError("who was erased would be forgotten, and the catalog would bring them back")
