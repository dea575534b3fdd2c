"""Databases that tests use one after the other: to empty one takes milliseconds, to make one up to half a second."""

import uuid

import asyncpg

from order_platform.postgres.migrations import upgrade

TEMPLATE = "migrated"

# Of more rows than these something would stay that is felt: in the planner's statistics, in what scans take.
MANY_ROWS = 1000

# What a test may have changed beside rows. User objects are numbered from 16384 on, alike in all copies.
_STRUCTURE = """
    select md5(string_agg(item, chr(10) order by item)) from (
        select (oid, relname, relnamespace, relkind, relacl)::text from pg_class
        where oid >= 16384 and relpersistence <> 't'
        union all select (attrelid, attname, atttypid, attnotnull, attisdropped)::text from pg_attribute
        where attrelid in (select oid from pg_class where oid >= 16384 and relpersistence <> 't')
        union all select (oid, conname)::text from pg_constraint where oid >= 16384
        union all select (oid, tgname, tgenabled)::text from pg_trigger where oid >= 16384
        union all select (oid, proname, prosrc)::text from pg_proc where oid >= 16384
        union all select (nspname, nspacl)::text from pg_namespace where nspname !~ '^pg_(toast_)?temp_'
        union all select setconfig::text from pg_db_role_setting
        where setdatabase = (select oid from pg_database where datname = current_database())
    ) as structure (item)
"""
# Publishing makes tables in a schema that no migration puts any into.
_DROP_MARTS = """
    do $$
    declare
        name text;
    begin
        for name in select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = 'marts' loop
            execute 'drop table ' || name || ' cascade';
        end loop;
    end
    $$
"""
# In one statement, as a table takes less time than a round trip. No trigger notifies, no foreign key sets the order.
_EMPTY = """
    set session_replication_role = replica;
    do $$
    declare
        name text;
        deleted bigint;
        total bigint := 0;
    begin
        for name in
            select format('%I.%I', nspname, relname)
            from pg_class join pg_namespace on pg_namespace.oid = relnamespace
            where
                pg_class.oid >= 16384 and relkind = 'r' and relpersistence <> 't' and relname <> 'alembic_version'
                and pg_relation_size(pg_class.oid) > 0
        loop
            execute 'delete from ' || name;
            get diagnostics deleted = row_count;
            total := total + deleted;
        end loop;
        perform setval(format('%I.%I', schemaname, sequencename), 1, false)
        from pg_sequences where last_value is not null;
        perform set_config('tests.deleted_rows', total::text, false);
    end
    $$
"""
_END_OTHERS = """
    select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""


class Databases:
    """Migrated, empty databases on one server; `server` is a superuser's URL."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._structure: str | None = None
        self._free: list[str] = []

    async def take(self) -> str:
        """URL of a database that no other test has until it is given back."""
        if self._free:
            return self._free.pop()
        if self._structure is None:
            await make_template(self._server)
        name = f"test_{uuid.uuid4().hex[:12]}"
        await _execute(self._server, f"create database {name} template {TEMPLATE}")
        url = _sibling(self._server, name)
        if self._structure is None:
            # Of a copy: copies lack the settings of their template.
            connection = await asyncpg.connect(url)
            self._structure = await connection.fetchval(_STRUCTURE)
            await connection.close()
        return url

    async def give_back(self, url: str) -> None:
        """Whatever still uses it is cut off. It goes to the next who asks, emptied, unless that would not do."""
        if await self._is_emptied(url):
            self._free.append(url)
        else:
            await _execute(self._server, f"drop database {url.rpartition('/')[2]} with (force)")

    async def _is_emptied(self, url: str) -> bool:
        connection = await asyncpg.connect(url, server_settings={"default_transaction_read_only": "off"})
        try:
            await connection.execute(_END_OTHERS)
            await connection.execute(_DROP_MARTS)
            if await connection.fetchval(_STRUCTURE) != self._structure:
                return False
            await connection.execute(_EMPTY)
            return int(await connection.fetchval("select current_setting('tests.deleted_rows')")) <= MANY_ROWS
        finally:
            await connection.close()


async def make_template(server: str) -> None:
    """Have a migrated database on a server that others are copies of, unless it is there."""
    connection = await asyncpg.connect(server)
    try:
        if await connection.fetchval("select exists (select from pg_database where datname = $1)", TEMPLATE):
            return
        await connection.execute(f"create database {TEMPLATE}")
    finally:
        await connection.close()
    await upgrade(_sibling(server, TEMPLATE))


def _sibling(url: str, database: str) -> str:
    """The URL of another database on a server."""
    return f"{url.rpartition('/')[0]}/{database}"


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
