"""`POST /v1/decide`: decided over the stored orders of its keys, explained rule by rule, and nothing is stored."""

import json
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from decision_engine.marketplace_pack import add_marketplace_pack
from decision_engine.pack_mode import PackMode
from decision_engine.ruleset import load_ruleset, parse_ruleset
from order_api.auth.keys import create_key
from order_api.what_if.repository import MOST_ORDERS
from order_api.what_if.schemas import WhatIfDecision
from order_contract.event import OrderEvent
from order_platform.postgres.ruleset_versions import record_ruleset
from tests.support.past_orders import store_past_orders

from .conftest import NOON, MakeOrder, Serve, Store

pytestmark = pytest.mark.integration

ORDER = {
    "user_id": "user-1",
    "product_id": "product-1",
    "quantity": 1,
    "amount": "Rp.400,000",
    "payment_method": "QRIS",
    "country": "id",
    "created_date": NOON.isoformat(),
    "device_id": "device-1",
    "channel": "app",
}
DRAFT = """
review_at: 50
decline_at: 90
attributes: {channel: text}
lists: {blocked_devices: {kind: block, field: device_id}}
features:
  orders_of_device_1h: {aggregate: count, key: device_id, window: 1h}
  users_of_device_1d: {aggregate: distinct, field: user_id, key: device_id, window: 1d}
  ratio_to_own_average: {aggregate: ratio_to_avg, field: amount, key: user_id, window: 30d}
  fraud_of_device_30d: {aggregate: label_share, label: fraud, key: device_id, window: 30d}
  orders_of_channel_1h: {aggregate: count, key: attributes.channel, window: 1h}
  orders_of_voucher_1h: {aggregate: count, key: voucher_code, window: 1h}
rules:
  - {id: busy, description: "{orders_of_device_1h} orders.", when: orders_of_device_1h >= 2, severity: low, score: 60}
  - {id: shared, description: Shared., when: users_of_device_1d > 5, severity: low, score: 10}
  - {id: unusual, description: Unusual., when: ratio_to_own_average > 9, severity: low, score: 10}
  - {id: known, description: Known., when: fraud_of_device_30d > 0.9, severity: low, score: 10}
  - {id: channel, description: Channel., when: orders_of_channel_1h > 99, severity: low, score: 10}
  - {id: voucher, description: Voucher., when: orders_of_voucher_1h > 99, severity: low, score: 10}
  - {id: blocked, description: Blocked., when: device_id in blocked_devices, severity: high, outcome: decline}
"""


async def decide(client: httpx.AsyncClient, **question: Any) -> dict[str, Any]:
    response = await client.post("/v1/decide", json=question)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    WhatIfDecision.model_validate(answer, strict=False)
    return answer


async def test_the_default_rules_decide_before_the_first_order(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    answer = await decide(client, order={**ORDER, "country": "SG"})
    assert (answer["status"], answer["outcome"], answer["ruleset_source"]) == ("fraud", "review", "default")
    assert answer["ruleset_version"] == load_ruleset().version
    assert (answer["order"]["order_id"], answer["order"]["amount"]) == ("what-if", 400_000)
    assert [hit["rule"] for hit in answer["hits"]] == ["foreign-country"]
    (foreign,) = [rule for rule in answer["rules"] if rule["rule"] == "foreign-country"]
    assert (foreign["fires"], foreign["values"]) == (True, {"country": "SG"})
    assert "With country ID instead of SG the order would be approved." in [
        change["sentence"] for change in answer["changes"]
    ]
    assert answer["not_computed"] == []
    assert await connection.fetchval("select count(*) from orders") == 0


async def test_the_version_of_the_newest_order_decides(
    client: httpx.AsyncClient, connection: asyncpg.Connection, store: Store, order: MakeOrder
) -> None:
    rulesets = [load_ruleset(), parse_ruleset(DRAFT, "draft")]
    for ruleset in rulesets:
        await record_ruleset(connection, ruleset.version, ruleset.content)
    older, newer = (ruleset.version for ruleset in rulesets)
    await store(
        order("o1", ruleset_version=older), order("o2", ruleset_version=newer, created_date=NOON + timedelta(1))
    )
    answer = await decide(client, order=ORDER)
    assert (answer["ruleset_version"], answer["ruleset_source"]) == (newer, "newest")
    answer = await decide(client, order=ORDER, ruleset={"version": older})
    assert (answer["ruleset_version"], answer["ruleset_source"]) == (older, "stored")


async def test_a_version_that_this_release_does_not_accept_is_refused(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    await record_ruleset(connection, "f" * 16, "rules: of a later release")
    response = await client.post("/v1/decide", json={"order": ORDER, "ruleset": {"version": "f" * 16}})
    assert (response.status_code, response.json()["code"]) == (409, "ruleset-refused")


async def test_features_see_the_stored_orders_up_to_the_order(
    client: httpx.AsyncClient, connection: asyncpg.Connection, store: Store, order: MakeOrder
) -> None:
    await store(
        order("o1", created_date=NOON - timedelta(minutes=59), user_id="user-2"),
        order("o2", created_date=NOON, amount=300_000),
        order("o3", created_date=NOON - timedelta(minutes=60), device_id="device-1", user_id="user-3"),
        order("o4", created_date=NOON + timedelta(microseconds=1)),
        order("o5", created_date=NOON - timedelta(days=29), device_id="device-2"),
        order("o6", created_date=NOON, source_topic="other"),
        order("asked", created_date=NOON, amount=9),
    )
    await connection.execute(
        """
        insert into labels (topic, epoch, partition, "offset", order_id, label, source, labelled_at, appended_at)
        values ('labels', 1, 0, 1, 'o1', 'legitimate', 'bank', now(), now()),
            ('labels', 1, 0, 2, 'o1', 'chargeback', 'bank', now(), now()),
            ('labels', 1, 0, 3, 'o2', 'legitimate', 'bank', now(), now())
        """
    )
    answer = await decide(client, order={**ORDER, "order_id": "asked"}, ruleset={"draft": DRAFT})
    assert answer["features"] == {
        "hour": 12,
        "orders_of_device_1h": 2,
        "users_of_device_1d": 3,
        "ratio_to_own_average": 2.0,
        "fraud_of_device_30d": 1 / 3,
        "orders_of_channel_1h": 2,
        "orders_of_voucher_1h": None,
    }
    assert (answer["ruleset_source"], answer["outcome"], answer["not_computed"]) == ("draft", "review", [])
    assert answer["hits"][0]["reason"] == "2 orders."
    assert answer["changes"][0]["sentence"] == "With orders_of_device_1h 1 instead of 2 the order would be approved."


async def test_the_decision_is_what_the_detector_decided(
    client: httpx.AsyncClient, connection: asyncpg.Connection, database_url: str
) -> None:
    ruleset = add_marketplace_pack(load_ruleset(), PackMode.LIVE)
    await store_past_orders(database_url, NOON.date(), 2, 2_000, ruleset=ruleset)
    # The newest have a history. One of two orders of the same moment was decided without the other.
    rows = await connection.fetch(
        """
        select *, to_jsonb(orders) as event from orders where not exists (
            select from orders as other
            where other.created_date = orders.created_date and other.order_id <> orders.order_id
        ) order by created_date desc limit 40
        """
    )
    assert any(row["outcome"] != "approve" for row in rows)
    assert any(json.loads(row["features"]).get("user_orders_30d") for row in rows)
    for row in rows:
        event = {name: json.loads(row["event"])[name] for name in OrderEvent._fields[:-1]}
        answer = await decide(client, order=event | json.loads(row["attributes"] or "{}"))
        assert answer["ruleset_version"] == ruleset.version
        stored = {name: json.loads(row[name]) for name in ("hits", "features")}
        stored |= {name: row[name] for name in ("status", "outcome", "risk_score")}
        assert {name: answer[name] for name in stored} == stored


async def test_lists_and_snoozes_hold(serve: Serve) -> None:
    async with serve("review") as client:
        await client.post("/v1/lists", json={"name": "blocked_devices", "kind": "block", "field": "device_id"})
        entries = {"values": ["device-1"], "reason": "fraud ring"}
        assert (await client.post("/v1/lists/blocked_devices/entries", json=entries)).status_code == 200
        answer = await decide(client, order=ORDER, ruleset={"draft": DRAFT})
        assert (answer["outcome"], answer["features"]["lists"]) == ("decline", ["blocked_devices"])
        other = await decide(
            client, order={**ORDER, "device_id": "device-2", "user_id": "device-1"}, ruleset={"draft": DRAFT}
        )
        assert other["outcome"] == "approve"


async def test_what_was_not_computed_is_named(
    client: httpx.AsyncClient, connection: asyncpg.Connection, store: Store, order: MakeOrder
) -> None:
    await store(order("o1", created_date=NOON, device_id="device-2"))
    await connection.execute(
        f"""
        create temporary table copied as select * from orders;
        update copied set device_id = 'device-1', user_id = 'user-2';
        insert into orders select (jsonb_populate_record(copied, jsonb_build_object('order_id', 'c' || n))).*
        from copied, generate_series(0, {MOST_ORDERS}) as n
        """
    )
    answer = await decide(client, order=ORDER, ruleset={"draft": DRAFT})
    reasons = {each["feature"]: each["reason"] for each in answer["not_computed"]}
    assert reasons["orders_of_device_1h"] == "more than 20,000 orders have the same device_id"
    assert answer["features"]["orders_of_device_1h"] is None
    assert answer["features"]["ratio_to_own_average"] == 4.0  # user-1 has one order
    await connection.execute("insert into retention (retired_before) values ('2026-11-22')")
    answer = await decide(client, order=ORDER, ruleset={"draft": DRAFT})
    reasons = {each["feature"]: each["reason"] for each in answer["not_computed"]}
    assert reasons["ratio_to_own_average"] == "orders before 2026-11-22 were removed from the database"
    assert answer["features"]["ratio_to_own_average"] is None


@pytest.mark.parametrize(
    ("question", "status", "code", "message"),
    [
        ({"order": {**ORDER, "quantity": 0}}, 409, "order-refused", "quantity"),
        ({"order": {}}, 409, "order-refused", "user_id"),
        ({"order": {**ORDER, "amount": 10**30}}, 409, "order-refused", "amount"),
        ({"order": {**ORDER, "shop": 10**30}}, 409, "order-refused", "shop"),
        ({"order": ORDER, "ruleset": {"draft": "rules: 1"}}, 409, "ruleset-refused", "review_at"),
        ({"order": ORDER, "ruleset": {"draft": ""}}, 409, "ruleset-refused", "the file is empty"),
        ({"order": ORDER, "ruleset": {"draft": "\0"}}, 409, "ruleset-refused", ""),
        (
            {"order": ORDER, "ruleset": {"draft": DRAFT.replace("amount, key", "amonut, key")}},
            409, "ruleset-refused", "draft:9:",
        ),
        (
            {"order": ORDER, "ruleset": {"draft": "include: [x.yaml]\n" + DRAFT}},
            409, "ruleset-refused", "cannot be included",
        ),
        ({"order": ORDER, "ruleset": {"version": "0" * 16}}, 404, "ruleset-unknown", "0" * 16),
        ({"order": ORDER, "ruleset": {"version": "latest"}}, 422, "invalid-request", "ruleset"),
        ({"order": ORDER, "ruleset": {"version": "0" * 16, "draft": DRAFT}}, 422, "invalid-request", "ruleset"),
        ({"ruleset": {"draft": DRAFT}}, 422, "invalid-request", "order"),
    ],
)  # fmt: skip
async def test_a_question_at_fault_is_refused(
    client: httpx.AsyncClient, question: dict[str, Any], status: int, code: str, message: str
) -> None:
    response = await client.post("/v1/decide", json=question)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert message in response.json()["detail"]


async def test_a_key_that_may_not_see_devices_may_not_count_them(serve: Serve) -> None:
    async with serve("read", api_mask_personal_data="read") as client:
        assert (await client.post("/v1/decide", json={"order": ORDER})).status_code == 403


async def test_a_draft_needs_a_key_that_may_read_lists(serve: Serve, connection: asyncpg.Connection) -> None:
    """It can name any list: with the decision, a key for orders would learn what is in it."""
    question = {"order": ORDER, "ruleset": {"draft": DRAFT}}
    async with serve(None) as client:
        for scopes, status in ((["orders"], 403), (["orders", "lists"], 200)):
            _, key = await create_key(connection, "narrow", "read", scopes=scopes)
            headers = {"Authorization": f"Bearer {key}"}
            response = await client.post("/v1/decide", json=question, headers=headers)
            assert response.status_code == status, response.text
            assert (await client.post("/v1/decide", json={"order": ORDER}, headers=headers)).status_code == 200
