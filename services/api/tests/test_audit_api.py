"""`/v1/audit`: pages and filters of the audit log, for administrators."""

from typing import Any

import asyncpg
import pytest

from order_api.audit.schemas import AuditPage
from order_platform.postgres.audit import AuditRecord, SubjectKind, record_audit

pytestmark = pytest.mark.integration


async def _record(connection: asyncpg.Connection, count: int) -> None:
    for number in range(count):
        subject = f"list_{number}"
        await record_audit(
            connection, AuditRecord(f"user-{number % 2}", "add", SubjectKind.LIST, subject, "why", None, {"values": []})
        )


async def test_pages_lead_through_all_entries_newest_first(serve: Any, connection: asyncpg.Connection) -> None:
    await _record(connection, 5)
    async with serve("admin") as client:
        found, query = [], {"limit": "2"}
        for _ in range(3):
            page = (await client.get("/v1/audit", params=query)).raise_for_status()
            AuditPage.model_validate(page.json(), strict=False)
            found += [item["subject_id"] for item in page.json()["items"]]
            assert ("next" in page.links) is (page.json()["next"] is not None)
            query = {"limit": "2", "cursor": page.json()["next"]}
        assert page.json()["next"] is None
        assert found == [f"list_{number}" for number in (4, 3, 2, 1, 0)]
        page = await client.get("/v1/audit", params={"actor": "user-1", "subject_kind": "list"})
        assert [item["subject_id"] for item in page.json()["items"]] == ["list_3", "list_1"]


async def test_a_cursor_is_for_its_own_filters(serve: Any, connection: asyncpg.Connection) -> None:
    await _record(connection, 2)
    async with serve("admin") as client:
        cursor = (await client.get("/v1/audit?limit=1")).json()["next"]
        response = await client.get("/v1/audit", params={"cursor": cursor, "actor": "user-1"})
        assert (response.status_code, response.json()["code"]) == (404, "cursor-unknown")


@pytest.mark.parametrize("role", ["read", "review"])
async def test_the_audit_log_is_for_administrators(serve: Any, role: str) -> None:
    async with serve(role) as client:
        response = await client.get("/v1/audit")
        assert (response.status_code, response.json()["code"]) == (403, "not-permitted")


@pytest.mark.parametrize("query", ["action=Add", "subject_kind=order", "subject_id=", "from=soon", "limit=0", "user=a"])
async def test_queries_that_cannot_be(serve: Any, query: str) -> None:
    async with serve("admin") as client:
        assert (await client.get(f"/v1/audit?{query}")).status_code == 422
