"""What no role may do, tried one statement after the other: a leaked URL opens that role's job and nothing else."""

from collections.abc import Sequence

import asyncpg
import pytest

from order_platform.postgres.roles import RELATIONS, DatabaseRole
from tests.database_roles.conftest import Prepared

pytestmark = pytest.mark.integration

ROLES = tuple(DatabaseRole)
PROCESSES = tuple(role for role in ROLES if role not in {DatabaseRole.MIGRATOR, DatabaseRole.AIRFLOW})
WITHOUT_TEMPORARY_TABLES = tuple(role for role in PROCESSES if role not in {DatabaseRole.DETECTOR, DatabaseRole.BATCH})
VERBS = ("select", "insert", "update", "delete", "truncate", "references", "trigger", "maintain")

# Beyond the database: files, programs, other roles, the server itself.
SERVER = (
    "select pg_read_file('/etc/passwd')",
    "select pg_read_file('postgresql.conf')",
    "select pg_read_binary_file('PG_VERSION')",
    "select pg_stat_file('PG_VERSION')",
    "select * from pg_ls_dir('.')",
    "select * from pg_ls_logdir()",
    "select * from pg_hba_file_rules",
    "select lo_import('/etc/passwd')",
    "select lo_export(1, '/tmp/exported')",
    "copy (select 1) to program 'id'",
    "copy (select 1) to '/tmp/copied'",
    "copy pg_catalog.pg_class from '/etc/passwd'",
    "load '/tmp/library.so'",
    "create extension vector",
    "create function pg_temp.shell(text) returns int language c as 'libc.so.6', 'system'",
    "create database another",
    "create role another",
    "create role another superuser",
    "alter role orderwatch password 'guess'",
    "alter role orderwatch_reader superuser",
    "alter role current_user superuser",
    "alter role current_user createrole",
    "alter role current_user bypassrls",
    "grant orderwatch to current_user",
    "grant pg_read_all_data to current_user",
    "grant pg_execute_server_program to current_user",
    "set role orderwatch",
    "set role pg_read_all_data",
    "set session authorization orderwatch",
    "set session_replication_role = replica",
    "set log_statement = 'all'",
    "alter system set log_statement = 'all'",
    "select * from pg_authid",
    "select * from pg_shadow",
    "select * from pg_user_mapping",
    "select pg_reload_conf()",
    "select pg_switch_wal()",
    "select pg_create_physical_replication_slot('slot')",
    "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'orderwatch'",
    "checkpoint",
    "alter database postgres set work_mem = '1GB'",
    "create event trigger watching on ddl_command_start execute function pg_event_trigger_ddl_commands()",
    "create foreign data wrapper files",
    "select lo_create(0)",
    "select lo_from_bytea(0, 'x')",
)
# Within the database: nothing of its shape, and no decision that was made.
SCHEMA = (
    "create table public.mine (id int)",
    "create view public.mine as select 1",
    "create function public.mine() returns int language sql as 'select 1'",
    "create function public.mine() returns int language sql security definer as 'select 1'",
    "create type public.mine as enum ('a')",
    "create schema mine",
    "drop extension plpgsql",
    "create publication everything",
    "alter table orders add column mine text",
    "alter table orders owner to current_user",
    "alter table orders disable trigger all",
    "create index mine on orders (amount)",
    "create trigger mine after insert on orders execute function notify_recorded()",
    "create rule mine as on insert to orders do nothing",
    "comment on table orders is 'mine'",
    "alter default privileges for role orderwatch_migrator grant all on tables to public",
    "drop table orders",
    "drop table alembic_version",
    "drop view dead_letters",
    "drop function notify_recorded()",
    "drop schema marts cascade",
    "drop schema public cascade",
    "truncate orders",
    "delete from orders",
    "update orders set outcome = 'approve'",
    "lock table orders in access exclusive mode",
    "update stream_outcomes set outcome = 'duplicate'",
    "delete from stream_outcomes",
    "delete from stream_gaps",
    "update rulesets set content = ''",
    "update ruleset_activations set version = ''",
    "delete from ruleset_activations",
    "update alembic_version set version_num = '0001'",
    "delete from api_keys",
    "delete from redrives",
    "select notify_recorded()",
    "alter database orderwatch set work_mem = '1GB'",
    "drop database orderwatch",
    "drop database airflow",
)
KEYS = (
    "select * from api_keys",
    "select key_hash from api_keys",
    "select * from api_sessions",
    "select * from sign_in_codes",
    "insert into api_keys (key_id, name, role, key_hash) values ('mine', 'mine', 'admin', 'mine')",
    "update api_keys set role = 'admin'",
    "insert into api_sessions (token_hash, key_id, expires_at) values ('mine', 'mine', now())",
)
DECISIONS = (
    "insert into orders select * from orders",
    "insert into stream_outcomes select * from stream_outcomes",
    "insert into stream_gaps select * from stream_gaps",
    "copy orders from stdin",
)
RULESETS = (
    "insert into rulesets select * from rulesets",
    "insert into ruleset_activations (version, action, author) select version, 'publish', 'mine' from rulesets",
)
BATCH_TABLES = (
    "insert into users select * from users",
    "delete from warehouse_loads",
    "update published_marts set rows = 0",
    "create table marts.mine (id int)",
)
FORBIDDEN: dict[DatabaseRole, tuple[str, ...]] = {
    **dict.fromkeys(PROCESSES, (*SERVER, *SCHEMA)),
    DatabaseRole.MIGRATOR: (*SERVER, "drop database airflow"),
    DatabaseRole.AIRFLOW: (*SERVER, "drop database orderwatch"),
}
FORBIDDEN[DatabaseRole.DETECTOR] += (*KEYS, *BATCH_TABLES, "insert into redrives select * from redrives")
FORBIDDEN[DatabaseRole.API] += (*DECISIONS, *BATCH_TABLES)
FORBIDDEN[DatabaseRole.BATCH] += (*DECISIONS, *RULESETS, *KEYS, "insert into redrives select * from redrives")
FORBIDDEN[DatabaseRole.READER] += (*DECISIONS, *RULESETS, *KEYS, *BATCH_TABLES)
FORBIDDEN[DatabaseRole.READER] += ("insert into redrives select * from redrives",)
FORBIDDEN[DatabaseRole.OPERATOR] += (*DECISIONS, *BATCH_TABLES, "select * from api_sessions")


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_cannot_do_what_is_not_its_job(prepared: Prepared, role: DatabaseRole) -> None:
    database = "airflow" if role is DatabaseRole.AIRFLOW else "orderwatch"
    async with prepared.connected(role, database) as connection:
        outcomes = {statement: await _outcome(connection, statement) for statement in FORBIDDEN[role]}
    assert {statement: outcome for statement, outcome in outcomes.items() if outcome != "refused"} == {}


@pytest.mark.parametrize("role", PROCESSES)
async def test_only_who_stages_rows_makes_temporary_tables(prepared: Prepared, role: DatabaseRole) -> None:
    async with prepared.connected(role) as connection:
        outcome = await _outcome(connection, "create temporary table mine (id int)")
        assert outcome == ("refused" if role in WITHOUT_TEMPORARY_TABLES else "done")


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_enters_its_database_and_no_other(prepared: Prepared, role: DatabaseRole) -> None:
    entered = []
    for database in ("orderwatch", "airflow", "postgres", "template1"):
        try:
            async with prepared.connected(role, database):
                entered.append(database)
        except asyncpg.InsufficientPrivilegeError:
            pass
    assert entered == ["airflow" if role is DatabaseRole.AIRFLOW else "orderwatch"]


@pytest.mark.parametrize("role", PROCESSES)
async def test_privileges_are_exactly_those_of_the_matrix(prepared: Prepared, role: DatabaseRole) -> None:
    async with prepared.connected(role) as connection:
        held = {
            table: [
                verb for verb in VERBS if await connection.fetchval("select has_table_privilege($1, $2)", table, verb)
            ]
            for table in RELATIONS
        }
    assert held == {table: _verbs(roles.get(role, "")) for table, roles in RELATIONS.items()}


async def test_no_role_is_more_than_a_login(prepared: Prepared) -> None:
    connection = await asyncpg.connect(prepared.server.url())
    found = await connection.fetch(
        """
        select rolname from pg_roles
        where rolname = any($1) and (rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls
            or not rolcanlogin or exists (select from pg_auth_members where member = pg_roles.oid))
        """,
        list(DatabaseRole),
    )
    superusers = await connection.fetch("select rolname from pg_roles where rolsuper")
    await connection.close()
    assert found == []
    assert [name for (name,) in superusers] == ["orderwatch"]


def _verbs(privileges: str) -> Sequence[str]:
    return [verb for verb in VERBS if verb in privileges.split(", ")]


async def _outcome(connection: "asyncpg.Connection[asyncpg.Record]", statement: str) -> str:
    """ "refused" where the role may not; what it may is rolled back. Any other error is a fault of the statement."""
    in_transaction = not statement.startswith(("create database", "drop database", "alter system"))
    transaction = connection.transaction()
    if in_transaction:
        await transaction.start()
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return "refused"
    except asyncpg.PostgresError as error:
        return str(error)
    else:
        return "done"
    finally:
        if in_transaction:
            await transaction.rollback()
