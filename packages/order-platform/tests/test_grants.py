"""The matrix of privileges: complete for what the migrations create, and brought about from whatever is held."""

import asyncpg
import pytest

from order_platform.postgres.migrations.grants import Grant, grant_statements, wanted_grants
from order_platform.postgres.roles import FUNCTIONS, RELATIONS, SCHEMAS, DatabaseRole

_RELATIONS = """
    select relname from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f', 'S')
"""
_FUNCTIONS = """
    select format('%s(%s)', proname, pg_get_function_identity_arguments(oid)) from pg_proc
    where pronamespace = 'public'::regnamespace
"""
_SCHEMAS = "select nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'"


@pytest.mark.integration
@pytest.mark.parametrize(
    ("query", "declared"),
    [(_RELATIONS, RELATIONS), (_FUNCTIONS, FUNCTIONS), (_SCHEMAS, SCHEMAS)],
    ids=["relations", "functions", "schemas"],
)
async def test_each_object_of_the_schema_has_an_entry(
    database_url: str, query: str, declared: dict[str, object]
) -> None:
    connection = await asyncpg.connect(database_url)
    found = {name for (name,) in await connection.fetch(query)}
    await connection.close()
    assert found == set(declared), "declare in order_platform/postgres/roles.py who may do what with it"


@pytest.mark.integration
async def test_no_function_runs_with_the_rights_of_its_owner(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    definers = await connection.fetch(
        "select proname from pg_proc where prosecdef and pronamespace::regnamespace::text in ('public', 'marts')"
    )
    await connection.close()
    assert definers == []


def test_statements_turn_what_is_held_into_what_is_wanted() -> None:
    kept = Grant("table", "orders", "orderwatch_api", "select")
    missing = Grant("table", "orders", "orderwatch_detector", "insert")
    too_much = Grant("database", "orderwatch", "public", "temporary")
    assert grant_statements({kept, missing}, {kept, too_much}) == [
        "revoke temporary on database orderwatch from public",
        "grant insert on table orders to orderwatch_detector",
    ]
    assert grant_statements({kept}, {kept}) == []


def test_roles_that_do_not_exist_are_left_out() -> None:
    wanted = wanted_grants("orderwatch", {DatabaseRole.READER})
    assert {grant.role for grant in wanted} == {DatabaseRole.READER}
    assert Grant("database", "orderwatch", DatabaseRole.READER, "connect") in wanted


@pytest.mark.parametrize("table", ["api_keys", "api_sessions"])
def test_nothing_but_what_manages_keys_reads_them(table: str) -> None:
    assert RELATIONS[table].keys() <= {DatabaseRole.API, DatabaseRole.OPERATOR}


def test_only_the_detector_writes_orders_and_nothing_changes_them() -> None:
    for table in ("orders", "stream_outcomes", "stream_gaps"):
        for role, privileges in RELATIONS[table].items():
            assert privileges == ("select, insert" if role is DatabaseRole.DETECTOR else "select")


def test_what_publishes_adds_ruleset_versions_and_nothing_changes_them() -> None:
    for table in ("rulesets", "ruleset_activations"):
        for role, privileges in RELATIONS[table].items():
            adds = role in (DatabaseRole.DETECTOR, DatabaseRole.API, DatabaseRole.OPERATOR)
            assert privileges == ("select, insert" if adds else "select")
