"""`/v1/rulesets`: drafts until two persons have published them, the watch after it, and rolling back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from decision_engine.ruleset import parse_ruleset
from order_api.auth.keys import create_key
from order_api.rulesets.schemas import (
    ActiveRules,
    ActiveRuleset,
    Diagnostics,
    DraftDetails,
    DraftPage,
    DraftSummary,
    Published,
)
from order_platform.postgres.audit import AuditFilters, list_audit
from order_platform.postgres.ruleset_versions import Action, activate
from tests.support.flagged_orders import store_flagged_orders

pytestmark = pytest.mark.integration

RULES = """\
review_at: 50
decline_at: 90
rules:
  - {id: large, description: large, when: amount > 1_000, score: 50, severity: low}
"""
WIDER = RULES.replace("1_000", "0")
COUNTED = "features: {mine: {aggregate: count, key: user_id, window: 24h}}\n"
DRAFTS = "/v1/rulesets/drafts"
ORDER = {
    "user_id": "u", "product_id": "p", "quantity": 1, "amount": 5, "payment_method": "OVO", "country": "ID",
    "created_date": "2026-11-22T10:15:00",
}  # fmt: skip


def version_of(content: str) -> str:
    return parse_ruleset(content, "rules").version


class People:
    """Clients with keys of their own: `ana` and `budi` review, `citra` administers."""

    def __init__(self, client: httpx.AsyncClient, headers: dict[str, dict[str, str]]) -> None:
        self._client = client
        self._headers = headers

    async def send(self, who: str, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        response = await self._client.request(method, path, json=body, headers=self._headers[who])
        assert response.status_code == status, response.text
        return response.json() if response.content else None


@pytest.fixture
def people(serve: Any, connection: asyncpg.Connection) -> Any:
    @asynccontextmanager
    async def open_people(**settings: Any) -> AsyncIterator[People]:
        headers = {}
        for name, role in (("ana", "review"), ("budi", "review"), ("citra", "admin"), ("dewi", "read")):
            _, key = await create_key(connection, name, role)
            headers[name] = {"Authorization": f"Bearer {key}"}
        async with serve("read", **settings) as client:
            yield People(client, headers)

    return open_people


async def test_a_draft_is_written_approved_and_published(people: Any, connection: asyncpg.Connection) -> None:
    async with people(publish_approval=True) as team:
        assert (await team.send("dewi", "GET", "/v1/rulesets/active", status=404))["code"] == "no-active-ruleset"
        assert (await team.send("dewi", "GET", f"{DRAFTS}/large", status=404))["code"] == "draft-unknown"
        saved = await team.send("ana", "PUT", f"{DRAFTS}/large", {"content": RULES, "message": "first"})
        DraftSummary.model_validate(saved, strict=False)
        version = version_of(RULES)
        assert (saved["version"], saved["message"], saved["approved_by"]) == (version, "first", None)
        found = await team.send("dewi", "GET", f"{DRAFTS}/large")
        DraftDetails.model_validate(found, strict=False)
        assert (found["content"], found["difference"]) == (RULES, None)
        looked_at = {"version": version}
        refused = await team.send("citra", "POST", f"{DRAFTS}/large/publish", looked_at, 409)
        assert (refused["code"], "is not approved" in refused["detail"]) == ("publication-refused", True)
        refused = await team.send("ana", "POST", f"{DRAFTS}/large/approve", looked_at, 409)
        assert (refused["code"], "is an author" in refused["detail"]) == ("draft-refused", True)
        other = await team.send("budi", "POST", f"{DRAFTS}/large/approve", {"version": "0" * 16}, 409)
        assert "look at it again" in other["detail"]
        approved = await team.send("budi", "POST", f"{DRAFTS}/large/approve", looked_at)
        assert approved["approved_by"].startswith("budi (")
        published = await team.send("citra", "POST", f"{DRAFTS}/large/publish", looked_at)
        Published.model_validate(published, strict=False)
        assert published == {"version": version, "candidate": None, "percent": None, "replaced": None, "check": None}
        rules = await team.send("dewi", "GET", "/v1/rulesets/active/rules")
        ActiveRules.model_validate(rules, strict=False)
        assert (rules["version"], rules["content"], rules["decline_at"]) == (version, RULES, 90)
        assert [(each["rule"], each["mode"], each["of_pack"]) for each in rules["items"]] == [("large", "live", False)]
        assert rules["items"][0]["explanation"][0].startswith("Rule large (low severity) adds 50 to the risk score")
        active = await team.send("dewi", "GET", "/v1/rulesets/active")
        ActiveRuleset.model_validate(active, strict=False)
        assert (active["version"], active["message"], active["watch"]["verdict"]) == (version, "first", "unclear")
        assert (await team.send("dewi", "GET", f"{DRAFTS}/large"))["difference"] == []
        await team.send("ana", "PUT", f"{DRAFTS}/large", {"content": RULES.replace("score: 50", "score: 95")})
        changed = await team.send("dewi", "GET", f"{DRAFTS}/large")
        assert (changed["difference"], changed["approved_by"]) == (["Rule large: score was 50 and is 95."], None)
        assert (await team.send("citra", "POST", f"{DRAFTS}/large/publish", looked_at, 409))["code"] == "draft-refused"
        await team.send("ana", "DELETE", f"{DRAFTS}/large", status=204)
        await team.send("ana", "DELETE", f"{DRAFTS}/large", status=404)
    steps = [each for each in await list_audit(connection, AuditFilters(), None, 20) if each.subject_kind == "ruleset"]
    assert [each.action for each in steps] == ["delete-draft", "draft", "publish", "approve", "draft"]
    assert steps[2].actor.startswith("citra (")
    assert steps[2].after["approved_by"] == approved["approved_by"]


async def test_roles(people: Any) -> None:
    body = {"version": version_of(RULES)}
    async with people() as team:
        await team.send("dewi", "PUT", f"{DRAFTS}/large", {"content": RULES}, 403)
        await team.send("ana", "PUT", f"{DRAFTS}/large", {"content": RULES})
        for who, method, path, sent in (
            ("dewi", "POST", f"{DRAFTS}/large/approve", body),
            ("dewi", "DELETE", f"{DRAFTS}/large", None),
            ("ana", "POST", f"{DRAFTS}/large/publish", body),
            ("ana", "POST", "/v1/rulesets/active/rollback", {}),
        ):
            assert (await team.send(who, method, path, sent, 403))["code"] == "not-permitted"


async def test_pages_of_drafts_and_what_cannot_be_saved(people: Any) -> None:
    async with people() as team:
        for name in ("b", "a", "c"):
            await team.send("ana", "PUT", f"{DRAFTS}/{name}", {"content": RULES})
        first = await team.send("dewi", "GET", f"{DRAFTS}?limit=2")
        DraftPage.model_validate(first, strict=False)
        second = await team.send("dewi", "GET", f"{DRAFTS}?limit=2&cursor={first['next']}")
        assert [each["name"] for each in (*first["items"], *second["items"])] == ["a", "b", "c"]
        assert second["next"] is None
        assert (await team.send("ana", "PUT", f"{DRAFTS}/d", {"content": "rules: 5"}, 409))["code"] == "ruleset-refused"
        await team.send("ana", "PUT", f"{DRAFTS}/Large", {"content": RULES}, 422)
        await team.send("ana", "PUT", f"{DRAFTS}/d", {"content": RULES, "message": " "}, 422)
        wrong = "    tests:\n      - {order: {amount: 5}, expect: true}\n"
        rule = RULES.replace("{id: large, description: large, when: amount > 1_000, score: 50, severity: low}\n", "")
        with_example = f"{rule}id: large\n    description: large\n    when: amount > 1_000\n    score: 50\n"
        failing = f"{with_example}    severity: low\n{wrong}"
        saved = await team.send("ana", "PUT", f"{DRAFTS}/d", {"content": failing})
        refused = await team.send("citra", "POST", f"{DRAFTS}/d/publish", {"version": saved["version"]}, 409)
        assert "1 examples are not as expected: draft d:" in refused["detail"]


async def test_the_check_wants_a_confirmation_and_the_watch_sees_the_jump(
    people: Any, connection: asyncpg.Connection, database_url: str
) -> None:
    first, wider = version_of(RULES), version_of(WIDER)
    await activate(connection, first, RULES, action=Action.INITIAL, author="detector")
    await connection.execute("update ruleset_activations set activated_at = now() - interval '1 day'")
    now = datetime.now(UTC)
    await store_flagged_orders(
        database_url, "b", 300, 3, version=first, start=now - timedelta(minutes=20), length=timedelta(minutes=19)
    )
    async with people() as team:
        await team.send("ana", "PUT", f"{DRAFTS}/wider", {"content": WIDER})
        await team.send("dewi", "POST", "/v1/rulesets/preview", {"content": WIDER}, 403)
        counted = WIDER.replace("amount > 0", "mine >= 0").replace("rules:", f"{COUNTED}rules:")
        for content in (WIDER, counted):  # by recorded features, and by a feature that no order has recorded
            report = (await team.send("ana", "POST", "/v1/rulesets/preview", {"content": content}))["report"]
            assert (report["orders"], report["changed"], report["flagged"]["orders"]) == (300, 300, 300)
        same = await team.send("ana", "POST", "/v1/rulesets/preview", {"content": RULES}, 409)
        assert "these are the active rules" in same["detail"]
        wanted = {"version": wider}
        needed = await team.send("citra", "POST", f"{DRAFTS}/wider/publish", wanted, 409)
        assert needed["code"] == "confirmation-needed"
        assert needed["check"] == {"orders": 300, "changed": 300, "flagged_before": 0, "flagged_after": 300}
        published = await team.send("citra", "POST", f"{DRAFTS}/wider/publish", {**wanted, "confirm": "300"})
        assert (published["replaced"], published["check"]) == (first, needed["check"])
        await store_flagged_orders(
            database_url, "s", 100, 100, version=wider,
            start=datetime.now(UTC) + timedelta(seconds=5), length=timedelta(minutes=1),
        )  # fmt: skip
        watch = (await team.send("dewi", "GET", "/v1/rulesets/active"))["watch"]
        assert (watch["version"], watch["verdict"], watch["is_over"]) == (wider, "rise", False)
        assert (watch["before"]["part"], watch["since"]["part"]) == (3, 100)
        back = await team.send("citra", "POST", "/v1/rulesets/active/rollback", {"message": "false alarms"})
        assert (back["version"], back["replaced"]) == (first, wider)
        rolled = await team.send(
            "citra", "POST", f"{DRAFTS}/wider/publish", {**wanted, "percent": 10, "confirm": "unchecked"}
        )
        assert (rolled["version"], rolled["candidate"], rolled["percent"]) == (first, wider, 10)
        unknown = await team.send("citra", "POST", "/v1/rulesets/active/rollback", {"version": "0" * 16}, 409)
        assert unknown["code"] == "publication-refused"


async def test_what_if_and_backtests_take_a_draft_by_its_name(people: Any) -> None:
    async with people() as team:
        await team.send("ana", "PUT", f"{DRAFTS}/wider", {"content": WIDER})
        decided = await team.send("dewi", "POST", "/v1/decide", {"order": ORDER, "ruleset": {"draft_name": "wider"}})
        assert (decided["ruleset_version"], decided["outcome"]) == (version_of(WIDER), "review")
        missing = {"order": ORDER, "ruleset": {"draft_name": "none"}}
        assert (await team.send("dewi", "POST", "/v1/decide", missing, 404))["code"] == "draft-unknown"
        wanted = {"ruleset": {"draft_name": "wider"}, "from": "2026-11-01", "to": "2026-11-02"}
        made = await team.send("ana", "POST", "/v1/backtests", wanted, 202)
        assert made["ruleset"] == {"name": "draft wider", "version": version_of(WIDER)}


async def test_a_candidate_is_rolled_out_further_and_then_to_all(people: Any, connection: asyncpg.Connection) -> None:
    await activate(connection, version_of(RULES), RULES, action=Action.INITIAL, author="detector")
    wider = version_of(WIDER)
    async with people() as team:
        await team.send("ana", "PUT", f"{DRAFTS}/wider", {"content": WIDER})
        change = {"candidate": wider, "percent": 40, "message": "steady"}
        refused = await team.send("citra", "POST", "/v1/rulesets/active/rollout", change, 409)
        assert (refused["code"], "is not rolled out" in refused["detail"]) == ("publication-refused", True)
        await team.send("citra", "POST", f"{DRAFTS}/wider/publish", {"version": wider, "percent": 10})
        await team.send("ana", "POST", "/v1/rulesets/active/rollout", change, 403)
        further = await team.send("citra", "POST", "/v1/rulesets/active/rollout", change)
        assert (further["version"], further["candidate"], further["percent"]) == (version_of(RULES), wider, 40)
        done = await team.send("citra", "POST", "/v1/rulesets/active/rollout", {**change, "percent": 100})
        assert (done["version"], done["candidate"], done["replaced"]) == (wider, None, version_of(RULES))


async def test_diagnostics_name_the_place_and_what_may_be_written(people: Any) -> None:
    async with people(marketplace_pack="shadow") as team:
        accepted = await team.send("dewi", "POST", "/v1/rulesets/diagnostics", {"content": RULES})
        Diagnostics.model_validate(accepted, strict=False)
        assert (accepted["version"], accepted["diagnostics"]) == (version_of(RULES), [])
        assert {"name": "amount", "kind": "field", "meaning": "number"} in accepted["names"]
        wrong = await team.send(
            "dewi", "POST", "/v1/rulesets/diagnostics", {"content": RULES.replace("amount", "amuont")}
        )
        (diagnostic,) = wrong["diagnostics"]
        assert (wrong["version"], wrong["names"]) == (None, None)
        assert (diagnostic["line"], diagnostic["column"], diagnostic["severity"]) == (4, 43, "error")
        assert "unknown name 'amuont'; write amount" in diagnostic["message"]
