"""`/v1/notes` and `/v1/saved-searches`: what people write down for themselves and each other."""

from typing import Any

import asyncpg
import httpx
import pytest

from order_api.notes.schemas import NotePage, WrittenNote
from order_api.saved_searches.repository import MOST_OF_A_KEY
from order_api.saved_searches.schemas import KeptSearches

from .conftest import Serve

pytestmark = pytest.mark.integration

SUBJECT = {"subject_kind": "user", "subject_id": "U/1 ü"}


async def test_notes_are_listed_by_subject_newest_first(serve: Serve, connection: asyncpg.Connection) -> None:
    async with serve("review") as client:
        for text in ("first", "second", "<b>third</b>"):
            added = await client.post("/v1/notes", json={**SUBJECT, "text": text})
            assert added.status_code == 201, added.text
            assert WrittenNote.model_validate(added.json(), strict=False).author.startswith("test (")
        await client.post("/v1/notes", json={**SUBJECT, "subject_kind": "order", "text": "another"})
        address = {"subject_kind": "address", "subject_id": "2001:0DB8::1"}
        assert (await client.post("/v1/notes", json={**address, "text": "a"})).json()["subject_id"] == "2001:db8::1"
        spelled = {**address, "subject_id": "2001:db8:0::1"}
        assert len((await client.get("/v1/notes", params=spelled)).json()["items"]) == 1
        found, query = [], {**SUBJECT, "limit": "2"}
        while True:
            page = (await client.get("/v1/notes", params=query)).raise_for_status().json()
            NotePage.model_validate(page, strict=False)
            found += [note["text"] for note in page["items"]]
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
        assert found == ["<b>third</b>", "second", "first"]
    recorded = await connection.fetch("select action, subject_kind, after::text from audit_log")
    assert {tuple(row)[:2] for row in recorded} == {("add", "note")}
    assert "third" not in str(recorded), "the text can be erased, the audit log cannot"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**SUBJECT, "text": ""}, "text"),
        ({**SUBJECT, "text": "x" * 2_001}, "text"),
        ({**SUBJECT, "text": "a\0"}, "text"),
        ({**SUBJECT, "text": "a", "subject_kind": "shop"}, "subject_kind"),
        ({"subject_kind": "user", "text": "a"}, "subject_id"),
    ],
)
async def test_what_is_not_a_note_is_refused(serve: Serve, body: dict[str, str], field: str) -> None:
    async with serve("review") as client:
        refused = await client.post("/v1/notes", json=body)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)


async def test_notes_follow_roles_and_masking(serve: Serve) -> None:
    async with serve("read", api_mask_personal_data="read") as client:
        assert (await client.post("/v1/notes", json={**SUBJECT, "text": "a"})).status_code == 403
        assert (await client.get("/v1/notes", params=SUBJECT)).status_code == 200
        for kind in ("device", "address"):
            assert (await client.get("/v1/notes", params={**SUBJECT, "subject_kind": kind})).status_code == 403


async def saved(client: httpx.AsyncClient) -> list[tuple[Any, ...]]:
    found = (await client.get("/v1/saved-searches")).raise_for_status().json()
    KeptSearches.model_validate(found, strict=False)
    return [(item["name"], item["query"], item["shared"], item["is_mine"]) for item in found["items"]]


async def test_searches_are_kept_for_oneself_or_shared(serve: Serve, connection: asyncpg.Connection) -> None:
    path = "/v1/saved-searches"
    async with serve("read") as client, serve("read") as other:
        for body in ({"name": "b", "query": "country=SG"}, {"name": "a/b", "query": ""}, {"name": "b", "query": "x=1"}):
            assert (await client.put(path, json=body)).status_code == 200
        assert await saved(client) == [("a/b", "", False, True), ("b", "x=1", False, True)]
        assert await saved(other) == []
        await client.put(path, json={"name": "b", "query": "x=2", "shared": True})
        await other.put(path, json={"name": "z", "query": ""})
        assert await saved(other) == [("z", "", False, True), ("b", "x=2", True, False)]
        foreign = await other.delete(path, params={"name": "b"})
        assert (foreign.status_code, foreign.json()["code"]) == (404, "saved-search-unknown")
        assert (await client.delete(path, params={"name": "b"})).status_code == 204
        assert await saved(other) == [("z", "", False, True)]
        await connection.execute(
            """
            insert into saved_searches (key_id, name, query, shared)
            select key_id, n::text, '', false from saved_searches, generate_series(1, $1::integer) as n where name = 'z'
            """,
            MOST_OF_A_KEY - 1,
        )
        refused = await other.put(path, json={"name": "more", "query": ""})
        assert (refused.status_code, refused.json()["code"]) == (409, "too-many-saved-searches")
        assert (await other.put(path, json={"name": "z", "query": "y=1"})).status_code == 200
        for body in ({"name": "", "query": ""}, {"name": "a\n", "query": ""}, {"name": "a", "query": "x" * 2_001}):
            assert (await client.put(path, json=body)).status_code == 422
