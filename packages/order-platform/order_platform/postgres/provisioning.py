"""Provisioning of a database server by its administrator: login roles, and the databases that they own.

`make up` and `docker compose up` do it as the server's superuser, which nothing else connects as. Where another team
administers the server, docs/security.md has the same as SQL. Safe to repeat; a server of an earlier release, where all
belonged to the superuser, is taken over as it is.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg

from order_platform.postgres.roles import MART_READERS, DatabaseRole

_SCRAM_ITERATIONS = 4096
_ROLE_EXISTS = "select exists (select from pg_roles where rolname = $1)"
_DATABASE_EXISTS = "select exists (select from pg_database where datname = $1)"
_ATTRIBUTES = "login nosuperuser nocreatedb nocreaterole noreplication nobypassrls"
# Names are looked up in our schema before a session's temporary tables, so that no temporary table hides one of it.
_SEARCH_PATH = "public, pg_temp"
# What every role could fill the disk with, or read and write files by, beside tables.
_LARGE_OBJECTS = """
    select format('revoke execute on function %s from public', oid::regprocedure) from pg_proc
    where pronamespace = 'pg_catalog'::regnamespace
        and (proname like 'lo\\_%' or proname in ('loread', 'lowrite'))
        and exists (
            select from aclexplode(coalesce(proacl, acldefault('f', proowner))) as acl
            where acl.grantee = 0
        )
"""
# Everything of the connected user's in the connected database, with the statement that gives it to an owner. What
# belongs to an extension, to a table or to a type goes with that.
_REASSIGN = """
    with system as (select oid from pg_namespace where nspname ~ '^pg_' or nspname = 'information_schema'),
    given as (
        select 1 as place, format('schema %I', nspname) as object, oid, 'pg_namespace'::regclass as catalog,
            nspname as schema
        from pg_namespace
        where oid not in (select oid from system) and nspowner = current_user::regrole
        union all
        select 2, format('%s %s', case relkind when 'S' then 'sequence' when 'v' then 'view'
            when 'm' then 'materialized view' when 'f' then 'foreign table' when 'c' then 'type' else 'table' end,
            oid::regclass), oid, 'pg_class'::regclass, relnamespace::regnamespace::text
        from pg_class as relation
        where relnamespace not in (select oid from system) and relowner = current_user::regrole
            and relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'c')
            and not exists (
                select from pg_depend as owning
                where owning.classid = 'pg_class'::regclass and owning.objid = relation.oid
                    and owning.deptype in ('a', 'i') and owning.refclassid = 'pg_class'::regclass
            )
        union all
        select 3, format('routine %s', oid::regprocedure), oid, 'pg_proc'::regclass, pronamespace::regnamespace::text
        from pg_proc
        where pronamespace not in (select oid from system) and proowner = current_user::regrole
        union all
        select 4, format('type %s', oid::regtype), oid, 'pg_type'::regclass, typnamespace::regnamespace::text
        from pg_type
        where typnamespace not in (select oid from system) and typowner = current_user::regrole
            and typtype in ('e', 'd', 'r')
    )
    select format('alter %s owner to %I', object, case when schema = $2 and place = 2 then $3 else $1 end)
    from given
    where not exists (
        select from pg_depend as extension
        where extension.classid = catalog and extension.objid = given.oid and extension.deptype = 'e'
    )
    order by place, object
"""


@dataclass(frozen=True, slots=True)
class OwnedDatabase:
    """A database and the role that owns everything in it, but for the tables of one schema."""

    name: str
    owner: DatabaseRole
    published: "PublishedSchema | None" = None


@dataclass(frozen=True, slots=True)
class PublishedSchema:
    """A schema whose tables have an owner of their own, and those who read them."""

    name: str
    owner: DatabaseRole
    readers: tuple[DatabaseRole, ...]


ORDERS_DATABASE = OwnedDatabase(
    "orderwatch", DatabaseRole.MIGRATOR, PublishedSchema("marts", DatabaseRole.BATCH, MART_READERS)
)
AIRFLOW_DATABASE = OwnedDatabase("airflow", DatabaseRole.AIRFLOW)


async def create_roles(administrator_url: str, passwords: Mapping[DatabaseRole, str]) -> None:
    """Create the roles that are missing, and give each its password and just the right to log in."""
    connection = await asyncpg.connect(administrator_url)
    try:
        for role, password in passwords.items():
            if not await connection.fetchval(_ROLE_EXISTS, role):
                await connection.execute(f"create role {role}")
            # A verifier, so that no password is part of a statement, which a server may log.
            await connection.execute(f"alter role {role} {_ATTRIBUTES} password '{scram_verifier(password)}'")
            await connection.execute(f"alter role {role} set search_path = {_SEARCH_PATH}")
    finally:
        await connection.close()


async def ensure_database(connection: asyncpg.Connection, name: str) -> None:
    """Create a database unless it exists."""
    if not await connection.fetchval(_DATABASE_EXISTS, name):
        await connection.execute(f"create database {name}")


async def provision_database(administrator_url: str, database: OwnedDatabase) -> None:
    """Create the database unless it exists, and give it with all that the administrator owns in it to its owner."""
    connection = await asyncpg.connect(administrator_url)
    try:
        if not await connection.fetchval(_DATABASE_EXISTS, database.name):
            await connection.execute(f"create database {database.name} owner {database.owner}")
        await connection.execute(f"alter database {database.name} owner to {database.owner}")
        for other in (database.name, "postgres", "template1"):
            await connection.execute(f"revoke all on database {other} from public")
    finally:
        await connection.close()
    inside = await asyncpg.connect(administrator_url, database=database.name)
    try:
        async with inside.transaction():
            await _give(inside, database)
            for (statement,) in await inside.fetch(_LARGE_OBJECTS):
                await inside.execute(statement)
    finally:
        await inside.close()


async def _give(connection: asyncpg.Connection, database: OwnedDatabase) -> None:
    published = database.published or PublishedSchema("", database.owner, ())
    for (statement,) in await connection.fetch(_REASSIGN, database.owner, published.name, published.owner):
        await connection.execute(statement)
    if published.name and await connection.fetchval("select to_regnamespace($1) is not null", published.name):
        readers = ", ".join(published.readers)
        await connection.execute(f"grant select on all tables in schema {published.name} to {readers}")


def scram_verifier(password: str, salt: bytes | None = None) -> str:
    """What Postgres keeps of a password (RFC 5803); the password cannot be got back from it."""
    salt = salt or secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _SCRAM_ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(value).decode() for value in (salt, stored, server)]
    return f"SCRAM-SHA-256${_SCRAM_ITERATIONS}:{encoded[0]}${encoded[1]}:{encoded[2]}"
