"""Masked personal data: in every response that a key can get, whatever the place."""

from typing import Any

import asyncpg
import httpx
import orjson
import pytest

from order_api.auth.keys import create_key
from order_api.auth.personal_data import MASK, mask_decision
from order_api.decisions.filters import DecisionFilter
from order_api.decisions.ring_buffer import encode_segment
from order_api.decisions.topic_reader import DecisionMessage
from order_contract.decision_record import encode_decision

SECRETS = ("ana@shop.example", "36.68.10.77", "device-of-ana", "+62 812 0000")
HITS = (
    '[{"rule":"many","severity":"high","score":90,"mode":"live",'
    '"reason":"ana@shop.example ordered 9 times from device-of-ana (36.68.10.77)."}]'
)


def order_of_ana(order: Any) -> Any:
    return order(
        "order-1", flagged=True, user_id="ana", email=SECRETS[0], ip_address=SECRETS[1], device_id=SECRETS[2],
        attributes=orjson.dumps({"phone": SECRETS[3]}).decode(), hits=HITS,
        features=orjson.dumps({"last_device": SECRETS[2], "orders": 9, "seen": [SECRETS[1]]}).decode(),
    )  # fmt: skip


PATHS = ["/v1/orders/order-1", "/v1/orders", "/v1/flags", "/v1/users/ana", "/v1/orders/bad", "/v1/marts/mart_people"]


@pytest.fixture
async def stored(connection: asyncpg.Connection, store: Any, order: Any) -> None:
    await store(order_of_ana(order))
    await connection.execute(
        """
        insert into stream_outcomes (topic, partition, "offset", outcome, order_id, error_type, error)
        values ('orders', 0, 1, 'dead-letter', 'bad', 'bad-value', 'email must be an address, got "ana@shop.example"')
        """
    )
    await connection.execute(
        "create table marts.mart_people (position bigint, user_id text, first_name text, email text, orders bigint)"
    )
    await connection.execute("insert into marts.mart_people values (1, 'ana', 'device-of-ana', 'ana@shop.example', 9)")
    await connection.execute(
        """
        insert into published_marts (name, description, rows, publication)
        values ('mart_people', '', 1, gen_random_uuid())
        """
    )


async def seen(client: httpx.AsyncClient) -> str:
    return "".join([(await client.get(path)).text for path in PATHS])


@pytest.mark.integration
@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("setting", "role", "masked"),
    [
        ("never", "read", False), ("read", "read", True), ("read", "review", False), ("read", "admin", False),
        ("review", "read", True), ("review", "review", True), ("review", "admin", False),
    ],
)  # fmt: skip
async def test_roles_see_masked_or_full_data(serve: Any, setting: str, role: str, masked: bool) -> None:
    async with serve(role, api_mask_personal_data=setting) as client:
        text = await seen(client)
        for secret in SECRETS:
            assert (secret in text) is not masked, secret
        assert (MASK in text) is masked
        for name, value in (("device_id", SECRETS[2]), ("ip_address", SECRETS[1])):
            for path in ("/v1/orders", "/v1/flags"):
                response = await client.get(path, params={name: value})
                assert response.status_code == (403 if masked else 200)


@pytest.mark.integration
@pytest.mark.usefixtures("stored")
async def test_masked_orders_keep_what_identifies_no_person(serve: Any) -> None:
    async with serve("read", api_mask_personal_data="read") as client:
        order = (await client.get("/v1/orders/order-1")).json()
        assert order["hits"][0]["reason"] == f"{MASK} ordered 9 times from {MASK} ({MASK})."
        assert order["features"] == {"last_device": MASK, "orders": 9, "seen": [MASK]}
        assert (order["email"], order["voucher_code"], order["attributes"]) == (MASK, None, None)
        assert (order["user_id"], order["country"]) == ("ana", "ID")
        user = (await client.get("/v1/users/ana")).json()
        assert user["habits"]["devices"] == [{"device_id": MASK, "orders": 1}]
        assert (await client.get("/v1/marts/mart_people")).json()["items"] == [
            {"user_id": "ana", "first_name": MASK, "email": MASK, "orders": 9}
        ]
        unmasked = (await client.get("/v1/orders/order-1")).headers["etag"]
        assert unmasked


@pytest.mark.integration
@pytest.mark.usefixtures("stored")
async def test_two_roles_share_no_etag(serve: Any, connection: asyncpg.Connection) -> None:
    _, admin = await create_key(connection, "admin", "admin")
    async with serve("read", api_mask_personal_data="read") as client:
        masked = await client.get("/v1/orders/order-1")
        headers = {"If-None-Match": masked.headers["etag"], "Authorization": f"Bearer {admin}"}
        assert (await client.get("/v1/orders/order-1", headers=headers)).status_code == 200


def test_the_stream(order: Any) -> None:
    message = DecisionMessage(0, 7, encode_decision(order_of_ana(order)))
    plain, _ = encode_segment([message], (0,), DecisionFilter(user_id="ana"))
    masked, position = encode_segment([message], (0,), DecisionFilter(user_id="ana", masked=True))
    assert position == (8,)
    for secret in SECRETS[:3]:
        assert secret.encode() in plain
        assert secret.encode() not in masked
    decision = orjson.loads(mask_decision(message.value))
    assert decision["hits"][0]["rule"] == "many"
    assert decision["features"] == {"last_device": MASK, "orders": 9, "seen": [MASK]}


@pytest.mark.parametrize("value", [b"", b"{}", b"[]", b"null", b'{"hits": 1}', b"\xff"])
def test_what_is_no_decision_shows_nothing(value: bytes) -> None:
    assert mask_decision(value) == b"{}"
