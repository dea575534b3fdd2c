"""`/v1/lists` and `/v1/snoozes`: entries now and at past moments, who may change them, and what is refused."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from decision_engine.ruleset import load_ruleset
from order_api.lists.schemas import ListChanged, ListEntryPage, ListPage
from order_lists.model import ListSpec
from order_lists.repository import create_list
from order_platform.postgres.audit import AuditFilters, list_audit
from order_platform.postgres.ruleset_versions import record_ruleset

pytestmark = pytest.mark.integration

BLOCKED = {"name": "blocked_devices", "kind": "block", "field": "device_id"}
ENTRIES = "/v1/lists/blocked_devices/entries"
HISTORY = "/v1/lists/blocked_devices/history"


async def post(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    response = await client.post(path, json=body)
    assert response.is_success, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def values(client: httpx.AsyncClient, **query: Any) -> list[str]:
    page = (await client.get(ENTRIES, params=query)).raise_for_status().json()
    ListEntryPage.model_validate(page, strict=False)
    return [item["value"] for item in page["items"]]


async def test_from_a_list_to_its_history(serve: Any, connection: asyncpg.Connection) -> None:
    async with serve("review") as client:
        created = await client.post("/v1/lists", json=BLOCKED)
        assert (created.status_code, created.json()) == (201, BLOCKED)
        assert (await client.post("/v1/lists", json=BLOCKED)).status_code == 201
        other = await client.post("/v1/lists", json={**BLOCKED, "kind": "trust"})
        assert (other.status_code, other.json()["code"]) == (409, "list-exists")
        soon = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        added = await post(client, ENTRIES, values=["d1", "d2"], reason="fraud ring", expires_at=soon)
        ListChanged.model_validate(added, strict=False)
        assert added == {"change": 1, "added": 2, "removed": 0, "unchanged": 0}
        then = datetime.now(UTC).isoformat()
        removed = await post(client, f"{ENTRIES}/remove", values=["d1", "d9"], reason="wrong device")
        assert removed == {"change": 2, "added": 0, "removed": 1, "unchanged": 1}
        nothing = await post(client, f"{ENTRIES}/remove", values=["d1"], reason="wrong device")
        assert nothing["change"] is None
        assert await values(client) == ["d2"]
        assert await values(client, at=then) == ["d1", "d2"]
        assert await values(client, value="d1", at=then) == ["d1"]
        assert await values(client, value="d1") == []
        (entry,) = (await client.get(ENTRIES)).json()["items"]
        assert (entry["reason"], entry["provenance"], entry["added_in"]) == ("fraud ring", "api", 1)
        assert entry["author"].startswith("test (")
        history: list[dict[str, Any]] = []
        query: dict[str, Any] = {"limit": 1}
        while True:
            page = (await client.get(HISTORY, params=query)).raise_for_status().json()
            ListEntryPage.model_validate(page, strict=False)
            history += page["items"]
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
        assert [item["value"] for item in history] == ["d2", "d1"]
        assert (history[1]["removal_reason"], history[1]["removed_in"]) == ("wrong device", 2)
        assert history[1]["removed_by"].startswith("test (")
        assert history[0]["removed_by"] is None
        assert (await client.get(HISTORY, params={"value": "d1"})).json()["items"] == history[1:]
        foreign = await client.get(HISTORY, params={**query, "value": "d1"})
        assert (foreign.status_code, foreign.json()["code"]) == (404, "cursor-unknown")
        page = (await client.get("/v1/lists", params={"kind": "block"})).json()
        ListPage.model_validate(page, strict=False)
        assert [(item["name"], item["entries"], item["last_change"]) for item in page["items"]] == [
            ("blocked_devices", 1, 2)
        ]
    removal, addition, creation = await list_audit(connection, AuditFilters(), None, 10)
    assert [each.action for each in (removal, addition, creation)] == ["remove", "add", "create"]
    assert addition.actor == entry["author"]


async def test_pages_lead_through_all_entries_and_lists(serve: Any, connection: asyncpg.Connection) -> None:
    for name in ("b", "a", "c"):
        await create_list(connection, ListSpec(name, "other", "device_id"), "test")
    async with serve("review") as client:
        await post(client, "/v1/lists/a/entries", values=[*"fdebca", "ü" * 320], reason="why")
        for path, key, expected in (
            ("/v1/lists/a/entries", "value", [*"abcdef", "ü" * 320]),
            ("/v1/lists", "name", [*"abc"]),
        ):
            found, query = [], {"limit": "1"}
            while True:
                page = (await client.get(path, params=query)).raise_for_status()
                found += [item[key] for item in page.json()["items"]]
                if page.json()["next"] is None:
                    break
                query["cursor"] = page.json()["next"]
            assert found == expected
        foreign = await client.get("/v1/lists/b/entries", params=query)
        assert (foreign.status_code, foreign.json()["code"]) == (404, "cursor-unknown")


async def test_changes_at_once_are_all_made(serve: Any, connection: asyncpg.Connection) -> None:
    await create_list(connection, ListSpec(**BLOCKED), "test")
    async with serve("review") as client:
        changes = [post(client, ENTRIES, values=[f"d{number}"], reason="why") for number in range(20)]
        numbers = [change["change"] for change in await asyncio.gather(*changes)]
        assert sorted(numbers) == list(range(1, 21))
        assert len(await values(client)) == 20


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/lists", BLOCKED),
        (ENTRIES, {"values": ["d"], "reason": "why"}),
        (f"{ENTRIES}/remove", {"values": ["d"], "reason": "why"}),
        ("/v1/snoozes", {"rule": "foreign-country", "field": "user_id", "value": "u", "days": 1, "reason": "why"}),
        ("/v1/snoozes/end", {"rule": "foreign-country", "field": "user_id", "value": "u", "reason": "why"}),
    ],
)
async def test_changes_need_role_review(serve: Any, path: str, body: dict[str, Any]) -> None:
    async with serve("read") as client:
        response = await client.post(path, json=body)
        assert (response.status_code, response.json()["code"]) == (403, "not-permitted")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/lists", {"kind": "blocked"}, "kind"),
        ("/v1/lists", {"name": "snooze:a:user_id"}, "name"),
        ("/v1/lists", {"field": "devise_id"}, "field"),
        ("/v1/lists/addresses/entries", {"values": ["10.0.0.1", "10.0.0.999"]}, "values.1"),
        ("/v1/lists/addresses/entries", {"values": []}, "values"),
        ("/v1/lists/addresses/entries", {"values": ["10.0.0.1"] * 501}, "values"),
        ("/v1/lists/addresses/entries", {"reason": " "}, "reason"),
        ("/v1/lists/addresses/entries", {"reason": "a\nb"}, "reason"),
        ("/v1/lists/addresses/entries", {"expires_at": "2030-01-01T00:00:00"}, "expires_at"),
        ("/v1/lists/addresses/entries", {"expires_at": "9999-12-31T23:59:59-01:00"}, "expires_at"),
        ("/v1/lists/addresses/entries", {"expires_at": "0001-01-01T00:00:00+14:00"}, "expires_at"),
        ("/v1/snoozes", {"rule": "foreign-contry"}, "rule"),
        ("/v1/snoozes", {"field": "country"}, "field"),
        ("/v1/snoozes", {"field": "ip_address"}, "value"),
        ("/v1/snoozes", {"days": 366}, "days"),
        ("/v1/snoozes", {"reason": ""}, "reason"),
    ],
)
async def test_requests_that_cannot_be(
    serve: Any, connection: asyncpg.Connection, path: str, body: dict[str, Any], field: str
) -> None:
    await create_list(connection, ListSpec("addresses", "watch", "ip_address"), "test")
    await record_ruleset(connection, load_ruleset().version, load_ruleset().content)
    valid: dict[str, dict[str, Any]] = {
        "/v1/lists": BLOCKED,
        "/v1/lists/addresses/entries": {"values": ["10.0.0.1"], "reason": "why"},
        "/v1/snoozes": {"rule": "foreign-country", "field": "user_id", "value": "u", "days": 1, "reason": "why"},
    }
    async with serve("review") as client:
        response = await client.post(path, json={**valid[path], **body})
        assert response.status_code == 422
        assert [error["field"] for error in response.json()["errors"]] == [field]
    assert await connection.fetchval("select count(*) from list_entries") == 0


async def test_a_list_that_does_not_exist_is_named(serve: Any) -> None:
    async with serve("review") as client:
        for response in (await client.get(ENTRIES), await client.post(ENTRIES, json={"values": ["d"], "reason": "r"})):
            assert (response.status_code, response.json()["code"]) == (404, "list-unknown")


async def test_a_rule_is_snoozed_and_counts_again(serve: Any, connection: asyncpg.Connection) -> None:
    await record_ruleset(connection, load_ruleset().version, load_ruleset().content)
    snooze = {"rule": "foreign-country", "field": "ip_address", "value": "2001:DB8::0"}
    async with serve("review") as client:
        assert (await post(client, "/v1/snoozes", **snooze, days=7, reason="office"))["added"] == 1
        (item,) = (await client.get("/v1/lists", params={"kind": "snooze"})).json()["items"]
        assert item["name"] == "snooze:foreign-country:ip_address"
        page = (await client.get(f"/v1/lists/{item['name']}/entries")).json()
        (entry,) = page["items"]
        assert (entry["value"], entry["reason"]) == ("2001:db8::", "office")
        assert (await post(client, "/v1/snoozes/end", **snooze, reason="moved"))["removed"] == 1
    assert [each.subject_id for each in await list_audit(connection, AuditFilters(), None, 10)] == [
        "foreign-country"
    ] * 3


async def test_personal_data_is_kept_from_keys_that_must_not_see_it(serve: Any, connection: asyncpg.Connection) -> None:
    await create_list(connection, ListSpec(**BLOCKED), "test")
    await create_list(connection, ListSpec("phones", "block", "attributes.phone"), "test")
    await create_list(connection, ListSpec("users", "trust", "user_id"), "test")
    async with serve("read", api_mask_personal_data="read") as client:
        for path in (ENTRIES, "/v1/lists/phones/entries"):
            response = await client.get(path)
            assert (response.status_code, response.json()["code"]) == (403, "not-permitted")
        assert (await client.get("/v1/lists/users/entries")).status_code == 200
