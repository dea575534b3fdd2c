"""Lists in Postgres: changes in the sequence of commits, membership at any past moment, and who made them."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import asyncpg
import pytest

from decision_engine.lists import ListMembers
from order_contract.notifications import LISTS_CHANNEL
from order_lists.model import ChangeRequest, ChangeResult, ListSpec, OtherListError, UnknownListError
from order_lists.repository import (
    change_entries,
    create_list,
    find_list,
    list_entries,
    list_summaries,
    read_changes,
    read_members,
)
from order_lists.snoozes import UnknownRuleError, end_snooze, snooze_rule
from order_platform.postgres.audit import AuditFilters, list_audit

pytestmark = pytest.mark.integration

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
BLOCKED = ListSpec("blocked_devices", "block", "device_id")
TRUSTED = ListSpec("trusted_users", "trust", "user_id")
SOON = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database_url)
    await create_list(connection, BLOCKED, "ana")
    await create_list(connection, TRUSTED, "ana")
    yield connection
    await connection.close()


async def change(connection: Connection, name: str = BLOCKED.name, **parts: Any) -> ChangeResult:
    request = ChangeRequest(
        list_name=name, author="ana", reason="fraud ring", provenance="test", action="change", **parts
    )
    return await change_entries(connection, request)


async def values(connection: Connection, at: datetime | None = None, name: str = BLOCKED.name) -> list[str]:
    return [each.value for each in await list_entries(connection, name, at=at, value=None, after=None, count=100)]


async def test_adding_and_removing_are_numbered_and_audited(connection: Connection) -> None:
    assert await change(connection, add={"a": None, "b": SOON}) == (1, 2, 0, 0)
    assert await change(connection, add={"a": None}) == (None, 0, 0, 1)
    assert await change(connection, add={"a": SOON, "b": SOON}) == (2, 1, 0, 1)
    assert await change(connection, remove=frozenset("bc")) == (3, 0, 1, 1)
    (entry,) = await list_entries(connection, BLOCKED.name, at=None, value=None, after=None, count=10)
    assert (entry.value, entry.expires_at, entry.added_in, entry.removed_in) == ("a", SOON, 2, None)
    assert (entry.author, entry.reason, entry.provenance) == ("ana", "fraud ring", "test")
    removal, again, first, *creations = await list_audit(connection, AuditFilters(), None, 10)
    assert [each.action for each in creations] == ["create", "create"]
    assert removal.before == {
        "change": 3,
        "field": "device_id",
        "count": 1,
        "entries": [{"value": "b", "expires_at": SOON.isoformat()}],
    }
    assert removal.after is None
    assert again.before["entries"] == [{"value": "a", "expires_at": None}]
    assert (first.before, first.after["count"], first.reason, first.subject_id) == (None, 2, "fraud ring", BLOCKED.name)


async def test_membership_at_any_past_moment(connection: Connection) -> None:
    """Random changes; after each, what the list held then is found again later."""
    rng = random.Random(7)
    seen: list[tuple[datetime, list[str]]] = []
    for _ in range(30):
        picked = rng.sample("abcdefgh", 3)
        later = datetime.now(UTC) + timedelta(days=1)
        await change(connection, add={picked[0]: rng.choice([None, later])}, remove=frozenset(picked[1:]))
        now = await connection.fetchval("select clock_timestamp()")
        seen.append((now, await values(connection)))
    for moment, members in seen:
        assert await values(connection, at=moment) == members
    assert len({tuple(members) for _, members in seen}) > 10
    assert await values(connection, at=seen[0][0] - timedelta(hours=1)) == []


async def test_at_a_moment_what_had_expired_by_then_is_not_in_the_list(connection: Connection) -> None:
    now = datetime.now(UTC)
    await change(connection, add={"past": now - timedelta(days=1), "future": now + timedelta(days=1), "always": None})
    moment = await connection.fetchval("select clock_timestamp()")
    assert await values(connection) == ["always", "future", "past"]
    assert await values(connection, at=moment) == ["always", "future"]
    assert await values(connection, at=moment + timedelta(days=2)) == ["always"]


async def test_numbers_and_times_rise_in_the_sequence_of_commits(connection: Connection, database_url: str) -> None:
    """Writers at once; a reader that only reads what is new misses nothing and ends with the same members."""
    writers, changes = 4, 25
    follower = ListMembers()
    done = asyncio.Event()

    async def write(writer: int) -> None:
        own = await asyncpg.connect(database_url)
        rng = random.Random(writer)
        for number in range(changes):
            await change(own, add={f"{writer}-{number}": None}, remove=frozenset([f"{rng.randrange(writers)}-0"]))
        await own.close()

    async def follow() -> None:
        own = await asyncpg.connect(database_url)
        while not (done.is_set() and follower.number == await own.fetchval("select max(number) from list_changes")):
            for number, entries in await read_changes(own, follower.number):
                assert number == follower.number + 1
                follower.apply(number, entries)
            await asyncio.sleep(0)
        await own.close()

    following = asyncio.create_task(follow())
    await asyncio.gather(*map(write, range(writers)))
    done.set()
    await following
    assert sorted(follower.members_of(BLOCKED.name)) == sorted(await values(connection))
    loaded = ListMembers()
    loaded.load(*await read_members(connection))
    assert (loaded.number, loaded.members_of(BLOCKED.name)) == (follower.number, follower.members_of(BLOCKED.name))
    times = [at for (at,) in await connection.fetch("select changed_at from list_changes order by number")]
    assert times == sorted(set(times))
    assert len(times) == writers * changes


async def test_members_at_a_past_number(connection: Connection) -> None:
    await change(connection, add={"a": None})
    await change(connection, TRUSTED.name, add={"u": None})
    await change(connection, remove=frozenset("a"))
    for number, expected in ((0, {}), (1, {BLOCKED.name: 1}), (2, {BLOCKED.name: 1, TRUSTED.name: 1})):
        members = ListMembers()
        members.load(*await read_members(connection, number))
        assert (members.number, members.sizes) == (number, expected)


async def test_a_change_is_notified_when_it_is_committed(connection: Connection, database_url: str) -> None:
    notified: asyncio.Queue[str] = asyncio.Queue()
    listener = await asyncpg.connect(database_url)
    await listener.add_listener(LISTS_CHANNEL, lambda *args: notified.put_nowait(str(args[-1])))
    await change(connection, add={"a": None})
    async with asyncio.timeout(60):
        assert await notified.get() == "1"
    await listener.close()


async def test_a_change_that_is_rolled_back_leaves_nothing_and_no_number(connection: Connection) -> None:
    transaction = connection.transaction()
    await transaction.start()
    await change(connection, add={"a": None})
    await transaction.rollback()
    assert (await change(connection, add={"b": None})).number == 1
    assert await values(connection) == ["b"]


async def test_lists_keep_their_kind_and_field(connection: Connection) -> None:
    assert await create_list(connection, BLOCKED, "ben") is False
    with pytest.raises(OtherListError, match="is a block list of device_id, not a trust list of user_id"):
        await create_list(connection, ListSpec(BLOCKED.name, "trust", "user_id"), "ben")
    with pytest.raises(UnknownListError, match="the nearest is blocked_devices"):
        await find_list(connection, "blocked_device")
    with pytest.raises(UnknownListError):
        await change(connection, "none", add={"a": None})
    await change(connection, add={"a": None})
    blocked, trusted = await list_summaries(connection, kind=None, after=None, count=10)
    assert (blocked.name, blocked.entries, blocked.last_change, blocked.created_by) == (BLOCKED.name, 1, 1, "ana")
    assert (trusted.name, trusted.entries, trusted.last_change, trusted.changed_at) == (TRUSTED.name, 0, None, None)
    assert [each.name for each in await list_summaries(connection, kind="trust", after=None, count=10)] == [
        TRUSTED.name
    ]


async def test_pages_of_entries(connection: Connection) -> None:
    await change(connection, add=dict.fromkeys("dbac"))
    first = await list_entries(connection, BLOCKED.name, at=None, value=None, after=None, count=3)
    rest = await list_entries(connection, BLOCKED.name, at=None, value=None, after=first[-1].value, count=3)
    assert [each.value for each in [*first, *rest]] == list("abcd")


RULES = """
{"review_at": 50, "decline_at": 90, "rules": [
  {"id": "large-order", "description": "Large.", "when": "amount > 1", "severity": "low", "score": 60}]}
"""


async def test_snoozes_are_entries_of_a_list_of_their_rule(connection: Connection) -> None:
    await connection.execute("insert into rulesets (version, content) values ('v', $1)", RULES)
    how: dict[str, Any] = {"author": "ana", "reason": "known reseller", "provenance": "test"}
    result = await snooze_rule(connection, "large-order", "user_id", ["u"], expires_at=SOON, **how)
    assert result.number == 1
    (entry,) = await list_entries(connection, "snooze:large-order:user_id", at=None, value=None, after=None, count=9)
    assert (entry.value, entry.expires_at) == ("u", SOON)
    with pytest.raises(UnknownRuleError, match="rule 'large-ordr' does not exist; write large-order"):
        await snooze_rule(connection, "large-ordr", "user_id", ["u"], expires_at=SOON, **how)
    assert (await end_snooze(connection, "large-order", "user_id", ["u"], **how)).removed == 1
    ended, snoozed, created, *_ = await list_audit(connection, AuditFilters(), None, 10)
    assert [(each.action, each.subject_kind, each.subject_id) for each in (ended, snoozed, created)] == [
        ("end-snooze", "snooze", "large-order"),
        ("snooze", "snooze", "large-order"),
        ("create", "snooze", "large-order"),
    ]


async def test_thousands_of_entries_are_one_change(connection: Connection) -> None:
    await change(connection, add={f"device-{number}": None for number in range(20_000)})
    assert (await change(connection, add={f"device-{number}": SOON for number in range(20_000)})).added == 20_000
    assert await connection.fetchval("select count(*) from list_changes") == 2
    entry, *_ = await list_audit(connection, AuditFilters(), None, 1)
    assert (entry.after["count"], len(entry.after["entries"])) == (20_000, 100)
    _, second = await read_changes(connection, 0)
    assert len(second.entries) == 40_000
