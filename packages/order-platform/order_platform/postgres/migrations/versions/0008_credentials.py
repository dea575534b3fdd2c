"""Keys may expire and be restricted to scopes; channel `credentials` notifies of keys and sessions that ended."""

from alembic import op

revision = "0008"
down_revision = "0007"

# By triggers rather than by the API: every API process is notified, also when a command revokes a key.
STATEMENTS = (
    "alter table api_keys add column expires_at timestamptz",
    "comment on column api_keys.expires_at is 'The key is refused from then on; null when it does not expire.'",
    "alter table api_keys add column scopes text[] check (cardinality(scopes) > 0)",
    "comment on column api_keys.scopes is 'The parts of the API that the key is for; null for all of them.'",
    """
    create function notify_credentials() returns trigger language plpgsql as $$
    begin
        if tg_table_name = 'api_keys' then
            perform pg_notify('credentials', 'key ' || old.key_id);
        else
            perform pg_notify('credentials', 'session ' || encode(old.token_hash, 'hex'));
        end if;
        return null;
    end
    $$
    """,
    """
    create trigger notify_credentials
    after update of key_hash, role, scopes, expires_at, revoked_at or delete on api_keys
    for each row execute function notify_credentials()
    """,
    """
    create trigger notify_credentials after update or delete on api_sessions
    for each row execute function notify_credentials()
    """,
    "create index api_sessions_by_key on api_sessions (key_id, created_at)",
)


def upgrade() -> None:
    """Add columns and triggers."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove them."""
    op.execute("drop index api_sessions_by_key")
    for table in ("api_keys", "api_sessions"):
        op.execute(f"drop trigger notify_credentials on {table}")
    op.execute("drop function notify_credentials()")
    op.execute("alter table api_keys drop column expires_at, drop column scopes")
