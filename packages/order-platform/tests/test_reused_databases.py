"""Databases of tests are handed on, as creating one and dropping it costs more than most tests."""

import asyncpg
import pytest

from tests.support.databases import Databases


@pytest.mark.integration
async def test_a_database_is_handed_on_emptied_unless_its_structure_was_changed(databases: Databases) -> None:
    url = await databases.take()
    connection = await asyncpg.connect(url)
    await connection.execute("insert into retention (retired_before) values ('2026-11-01')")
    sequence = await connection.fetchval("select format('%I.%I', schemaname, sequencename) from pg_sequences limit 1")
    await connection.fetchval("select nextval($1::text::regclass)", sequence)
    await connection.execute("create table marts.mart_users as select 1 as position")
    await connection.execute("create index on marts.mart_users (position)")
    await connection.close()

    await databases.give_back(url)

    assert await databases.take() == url
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("select count(*) from retention") == 0
    assert await connection.fetchval("select nextval($1::text::regclass)", sequence) == 1
    assert await connection.fetchval("select to_regclass('marts.mart_users')") is None
    await connection.execute("alter table retention add column more int")
    await connection.close()
    await databases.give_back(url)
    another = await databases.take()
    assert another != url
    await databases.give_back(another)
