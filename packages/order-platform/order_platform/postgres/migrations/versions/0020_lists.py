"""Lists with the history of their entries, numbered changes, and the last change that a decision saw."""

from alembic import op

revision = "0020"
down_revision = "0015"

_STATEMENTS = (
    """
    create table lists (
        name text primary key,
        kind text not null,
        field text not null,
        created_at timestamptz not null default clock_timestamp(),
        created_by text not null
    )
    """,
    """
    comment on table lists is
    'Lists that rules use, and snoozes of rules; an order is in one by its value of the field.'
    """,
    """
    create table list_changes (
        number bigint primary key check (number > 0),
        list text not null references lists,
        changed_at timestamptz not null unique,
        author text not null,
        reason text not null,
        provenance text not null,
        added integer not null check (added >= 0),
        removed integer not null check (removed >= 0)
    )
    """,
    """
    comment on table list_changes is
    'Changes of entries; numbers and times rise in the sequence of commits, as each change waits for the one before.'
    """,
    "create index list_changes_list on list_changes (list, number)",
    """
    create table list_entries (
        list text not null references lists,
        value text not null check (value <> ''),
        added_in bigint not null references list_changes,
        removed_in bigint references list_changes check (removed_in > added_in),
        expires_at timestamptz,
        primary key (list, value, added_in)
    )
    """,
    """
    comment on table list_entries is
    'An entry is in its list from change added_in until removed_in, for orders that were created before expires_at.'
    """,
    "create unique index list_entries_current on list_entries (list, value) where removed_in is null",
    "create index list_entries_added on list_entries (added_in)",
    "create index list_entries_removed on list_entries (removed_in) where removed_in is not null",
    """
    create function notify_lists() returns trigger language plpgsql as $$
    begin
        perform pg_notify('lists', (select max(number)::text from inserted));
        return null;
    end
    $$
    """,
    """
    create trigger notify_lists after insert on list_changes referencing new table as inserted
    for each statement execute function notify_lists()
    """,
    "alter table orders add column lists_seen bigint",
    """
    comment on column orders.lists_seen is
    'Number of the last change of lists that the detector had applied; null when no list concerned the ruleset.'
    """,
)


def upgrade() -> None:
    """Add the tables, the notification and the column."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop them; which lists an order was in stays in its features."""
    op.execute("alter table orders drop column lists_seen")
    for table in ("list_entries", "list_changes", "lists"):
        op.execute(f"drop table {table}")
    op.execute("drop function notify_lists()")
