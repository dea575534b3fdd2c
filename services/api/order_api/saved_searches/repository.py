"""SQL of saved searches."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from order_platform.postgres.sql_builder import QueryExecutor

MOST_OF_A_KEY: Final = 100
"""Searches that one key may save."""
MOST_LISTED: Final = 500


class SavedSearch(NamedTuple):
    """A saved search as the requesting key sees it."""

    name: str
    query: str
    shared: bool
    saved_by: str
    saved_at: datetime
    is_mine: bool


_COLUMNS: Final = """
    search.name, query, shared, key.name || ' (' || key_id || ')' as saved_by, saved_at, key_id = $1 as is_mine
"""
_LIST: Final = f"""
    select {_COLUMNS} from saved_searches as search join api_keys as key using (key_id)
    where key_id = $1 or shared
    order by key_id <> $1, search.name, key_id limit {MOST_LISTED}
"""  # noqa: S608  (our own names)
_SAVE: Final = f"""
    with search as (
        insert into saved_searches as search (key_id, name, query, shared)
        select $1, $2, $3, $4
        where (select count(*) from saved_searches where key_id = $1 and name <> $2) < {MOST_OF_A_KEY}
        on conflict (key_id, name) do update
        set query = excluded.query, shared = excluded.shared, saved_at = clock_timestamp()
        returning *
    )
    select {_COLUMNS} from search join api_keys as key using (key_id)
"""  # noqa: S608
_DELETE: Final = "delete from saved_searches where key_id = $1 and name = $2 returning name"


async def list_searches(database: QueryExecutor, key_id: str) -> Sequence[SavedSearch]:
    """The searches of a key, and those that others share."""
    return [SavedSearch(**row) for row in await database.fetch(_LIST, key_id)]


async def save_search(
    database: QueryExecutor, key_id: str, name: str, query: str, *, shared: bool
) -> SavedSearch | None:
    """Save a search, in place of the key's own of this name; None when it has too many."""
    row = await database.fetchrow(_SAVE, key_id, name, query, shared)
    return None if row is None else SavedSearch(**row)


async def delete_search(database: QueryExecutor, key_id: str, name: str) -> bool:
    """Delete a search of a key; whether it was there."""
    return await database.fetchrow(_DELETE, key_id, name) is not None
