"""People sign in to the workbench: principals without a key, by a one-time code or an identity provider."""

from alembic import op

revision = "0029"
down_revision = "0028"

_STATEMENTS = (
    "alter table api_keys alter column key_hash drop not null",
    "alter table api_keys add column kind text not null default 'key' check (kind in ('key', 'person'))",
    "alter table api_keys add constraint api_keys_have_a_hash check ((key_hash is null) = (kind = 'person'))",
    "alter table api_keys add column subject text unique check (kind = 'person' or subject is null)",
    "comment on column api_keys.kind is 'A key, or a person, who has sessions alone.'",
    "comment on column api_keys.subject is 'Issuer and subject of the identity provider that knows the person.'",
    """
    create table sign_in_codes (
        code_hash bytea primary key,
        key_id text not null references api_keys on delete cascade,
        expires_at timestamptz not null
    )
    """,
    """
    comment on table sign_in_codes is
    'Codes that begin one session each; only the SHA-256 of a code is kept, itself 256 random bits.'
    """,
)


def upgrade() -> None:
    """Add the kind of a principal, and the codes."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove both, and the people."""
    op.execute("drop table sign_in_codes")
    op.execute("delete from api_keys where kind = 'person'")
    op.execute("alter table api_keys drop constraint api_keys_have_a_hash")
    op.execute("alter table api_keys drop column kind, drop column subject")
    op.execute("alter table api_keys alter column key_hash set not null")
