"""Lists by the roles of those who work with them: detectors read, the API and operators change, readers look."""

from typing import Any

import asyncpg
import pytest

from decision_engine.ruleset import load_ruleset
from order_lists.model import ChangeRequest, ListSpec
from order_lists.repository import (
    change_entries,
    create_list,
    list_entries,
    list_summaries,
    read_changes,
    read_members,
)
from order_lists.snoozes import end_snooze, snooze_expiry, snooze_rule
from order_platform.postgres.audit import AuditFilters, list_audit
from order_platform.postgres.roles import DatabaseRole
from order_platform.postgres.ruleset_versions import record_ruleset
from tests.database_roles.conftest import Prepared

pytestmark = pytest.mark.integration

BLOCKED = ListSpec("blocked_devices", "block", "device_id")
HOW: dict[str, Any] = {"author": "ana", "reason": "why", "provenance": "test"}


def request(value: str) -> ChangeRequest:
    return ChangeRequest(list_name=BLOCKED.name, action="add", add={value: None}, **HOW)


async def test_each_role_does_its_part(prepared: Prepared) -> None:
    ruleset = load_ruleset()
    rule = ruleset.rules[0].id
    async with prepared.connected(DatabaseRole.DETECTOR) as detector:
        await record_ruleset(detector, ruleset.version, ruleset.content)
        await create_list(detector, BLOCKED, "ruleset v")
        before, _ = await read_members(detector)
        for number, role in enumerate((DatabaseRole.API, DatabaseRole.OPERATOR)):
            async with prepared.connected(role) as connection:
                expires_at = snooze_expiry(await connection.fetchval("select now()"), 1)
                await change_entries(connection, request(f"d{number}"))
                await snooze_rule(connection, rule, "user_id", ["u"], expires_at=expires_at, **HOW)
                await end_snooze(connection, rule, "user_id", ["u"], **HOW)
        assert [change for change, _ in await read_changes(detector, before)] == [*range(before + 1, before + 7)]
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await change_entries(detector, request("d9"))
    async with prepared.connected(DatabaseRole.READER) as reader:
        assert BLOCKED.name in [each.name for each in await list_summaries(reader, kind=None, after=None, count=10)]
        entries = await list_entries(reader, BLOCKED.name, at=None, value=None, after=None, count=10)
        assert [entry.value for entry in entries] == ["d0", "d1"]
        assert (await list_audit(reader, AuditFilters(), None, 1))[0].action == "end-snooze"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await create_list(reader, ListSpec("another", "other", "user_id"), "ana")
