"""Data of an earlier release, where everything belonged to the superuser, is taken over in place."""

from collections.abc import Callable

import asyncpg
import pytest

from order_platform.postgres.migrations import upgrade
from order_platform.postgres.roles import DatabaseRole
from tests.database_roles.conftest import Prepared

pytestmark = pytest.mark.integration

_AIRFLOW = """
    create type state as enum ('queued', 'done');
    create sequence numbers;
    create table runs (id serial primary key, number int default nextval('numbers'), state state);
    insert into runs (state) values ('done');
    create view newest as select max(id) as id from runs;
    create function age() returns int language sql as 'select 1';
"""
_MART = "create table marts.mart_users (position bigint primary key); insert into marts.mart_users values (1)"
_BELONGING_TO_THE_SUPERUSER = """
    select relname from pg_class where relowner = 10 and relnamespace::regnamespace::text in ('public', 'marts')
    union all
    select proname from pg_proc where proowner = 10 and pronamespace::regnamespace::text in ('public', 'marts')
    union all
    select typname from pg_type where typowner = 10 and typnamespace::regnamespace::text in ('public', 'marts')
    union all
    select nspname from pg_namespace where nspowner = 10 and nspname = 'marts'
"""


async def test_it_belongs_to_the_roles_afterwards_and_they_can_work(earlier_release: Callable[[], Prepared]) -> None:
    prepared = earlier_release()
    await _execute(prepared.server.url(), "create database orderwatch", "create database airflow")
    await upgrade(prepared.server.url("orderwatch"))
    await _execute(prepared.server.url("orderwatch"), _MART, "insert into rulesets (version, content) values ('1', '')")
    await _execute(prepared.server.url("airflow"), _AIRFLOW)
    for _ in range(2):  # also when all of it is done already
        await prepared.prepare()
        for database in ("orderwatch", "airflow"):
            assert await _fetch(prepared.server.url(database), _BELONGING_TO_THE_SUPERUSER) == []
    async with prepared.connected(DatabaseRole.API) as api:
        assert await api.fetchval("select position from marts.mart_users") == 1
    async with prepared.connected(DatabaseRole.DETECTOR) as detector:
        assert await detector.fetchval("select version from rulesets") == "1"
    async with prepared.connected(DatabaseRole.BATCH) as batch:
        await batch.execute("drop table marts.mart_users; create table marts.mart_users (position int)")
    async with prepared.connected(DatabaseRole.AIRFLOW, "airflow") as airflow:
        await airflow.execute("alter table runs add column more int; alter type state add value 'failed'")
        await airflow.execute("insert into runs (state) values ('queued'); drop view newest; drop function age()")
        assert await airflow.fetchval("select nextval('numbers')") == 3


async def test_roles_that_come_later_get_their_privileges_at_the_next_migration(
    earlier_release: Callable[[], Prepared],
) -> None:
    prepared = earlier_release()
    await _execute(prepared.server.url(), "create database orderwatch")
    url = prepared.server.url("orderwatch")
    await upgrade(url)
    assert "public" in await _fetch(url, "select coalesce(array_to_string(datacl, ','), 'public') from pg_database")
    await _execute(prepared.server.url(), "create role orderwatch_api login password 'theirs'")
    await upgrade(url)
    prepared.passwords[DatabaseRole.API] = "theirs"
    async with prepared.connected(DatabaseRole.API) as api:
        assert await api.fetch("select from orders") == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await api.execute("delete from orders")


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _fetch(url: str, query: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return [value for (value,) in await connection.fetch(query)]
    finally:
        await connection.close()
