"""The follower of lists: what it knows stays while the database is unavailable, and nothing is missed after."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from decision_engine.lists import ListMembers
from decision_engine.ruleset import Ruleset, RulesetError, parse_ruleset
from devstack.postgres import EmbeddedPostgres
from fraud_detector.lists.follower import ListFollower
from fraud_detector.stream.ports import DependencyUnavailableError
from order_lists.model import ChangeRequest, ListSpec
from order_lists.repository import change_entries, create_list
from order_platform.postgres.migrations import upgrade
from tests.support import embedded
from tests.support.ports import free_port
from tests.support.waiting import until

pytestmark = pytest.mark.integration

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
BLOCKED = ListSpec("blocked_devices", "block", "device_id")
NEVER = 3_600.0


def ruleset(lists: str = "blocked_devices: {kind: block, field: device_id}") -> Ruleset:
    return parse_ruleset(f"review_at: 50\ndecline_at: 90\nlists: {{{lists}}}\nrules: []", "rules.yaml")


async def add(connection: Connection, *values: str) -> None:
    request = ChangeRequest(
        list_name=BLOCKED.name, author="ana", reason="why", provenance="test", action="add", add=dict.fromkeys(values)
    )
    await change_entries(connection, request)


@asynccontextmanager
async def following(follower: ListFollower) -> AsyncIterator[ListMembers]:
    task = asyncio.create_task(follower.run())
    try:
        yield follower.members
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def serving(server: EmbeddedPostgres) -> AsyncIterator[None]:
    """The server is started and stopped in another thread: it is asked by an event loop of its own."""
    context = embedded.serving(server)
    await asyncio.to_thread(context.__enter__)
    try:
        yield
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)


def holds(members: ListMembers, *values: str) -> Callable[[], bool]:
    return lambda: members.members_of(BLOCKED.name).keys() == set(values)


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def test_what_is_loaded_is_in_force_before_it_is_followed(connection: Connection, database_url: str) -> None:
    await create_list(connection, BLOCKED, "ana")
    await add(connection, "a", "b")
    follower = ListFollower(database_url, ListMembers())
    await follower.load(ruleset())
    assert holds(follower.members, "a", "b")()
    assert follower.members.number == 1


@pytest.mark.parametrize(
    ("poll_seconds", "channel"), [(NEVER, "lists"), (0.05, "another")], ids=["by notification", "by polling alone"]
)
async def test_a_change_is_applied(
    connection: Connection,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    poll_seconds: float,
    channel: str,
) -> None:
    monkeypatch.setattr("fraud_detector.lists.follower.LISTS_CHANNEL", channel)
    follower = ListFollower(database_url, ListMembers(), poll_seconds=poll_seconds)
    await follower.load(ruleset())
    async with following(follower) as members:
        await add(connection, "a")
        await until(holds(members, "a"), "the first change")
        await add(connection, "b")
        await until(holds(members, "a", "b"), "the second change")
    assert members.number == 2


async def test_a_connection_that_is_lost_is_made_again(connection: Connection, database_url: str) -> None:
    follower = ListFollower(database_url, ListMembers(), poll_seconds=NEVER)
    await follower.load(ruleset())
    async with following(follower) as members:
        await add(connection, "a")
        await until(holds(members, "a"), "the first change")
        await connection.fetch(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = 'fraud-detector lists' and datname = current_database()"
        )
        await add(connection, "b")
        await until(holds(members, "a", "b"), "the change during the interruption")


async def test_a_database_that_is_down_leaves_what_is_known(tmp_path: Path) -> None:
    """The clock is the test's: the age counts from the last time that the lists were complete."""
    now = 100.0
    server = embedded.new_postgres(tmp_path / "postgres")
    follower = ListFollower(server.url("postgres"), ListMembers(), poll_seconds=0.05, clock=lambda: now)
    async with AsyncExitStack() as stack:
        async with serving(server):
            await upgrade(server.url("postgres"))
            await follower.load(ruleset())
            connection = await asyncpg.connect(server.url("postgres"))
            await add(connection, "a")
            members = await stack.enter_async_context(following(follower))
            await until(holds(members, "a"), "the change")
            await connection.close()
        now = 160.0
        await asyncio.sleep(1)
        assert follower.age == 60.0
        assert holds(members, "a")()
        async with serving(server):
            await until(lambda: follower.age == 0.0, "the lists to be complete again")
            connection = await asyncpg.connect(server.url("postgres"))
            await add(connection, "b")
            await until(holds(members, "a", "b"), "the change after the outage")
            await connection.close()


async def test_declared_lists_are_created_and_another_of_the_name_is_refused(
    connection: Connection, database_url: str
) -> None:
    follower = ListFollower(database_url, ListMembers())
    await follower.load(ruleset())
    await follower.declare(
        ruleset("blocked_devices: {kind: block, field: device_id}, t: {kind: trust, field: user_id}")
    )
    found = await connection.fetch("select name, kind, field, created_by from lists order by name")
    by = f"ruleset {ruleset().version}"
    assert [tuple(row)[:3] for row in found] == [BLOCKED, ("t", "trust", "user_id")]
    assert found[0]["created_by"] == by
    with pytest.raises(RulesetError, match="is a trust list of user_id, not a block list of user_id"):
        await follower.declare(ruleset("t: {kind: block, field: user_id}"))


async def test_a_database_that_does_not_respond_is_reported_at_the_start() -> None:
    follower = ListFollower(f"postgresql://u@127.0.0.1:{free_port()}/none", ListMembers())
    with pytest.raises(DependencyUnavailableError):
        await follower.load(ruleset())


async def test_rulesets_that_declare_no_lists_need_no_connection() -> None:
    follower = ListFollower(f"postgresql://u@127.0.0.1:{free_port()}/none", ListMembers())
    await follower.declare(ruleset(lists=""))
    with pytest.raises(DependencyUnavailableError):
        await follower.declare(ruleset())
