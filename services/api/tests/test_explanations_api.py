"""`GET /v1/orders/{id}/explanation` and `.../message`: what rules saw of stored orders, and their messages."""

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from decision_engine.evaluate import evaluate
from decision_engine.features import EventFeatures
from decision_engine.ruleset import load_ruleset
from order_api.app import create_app
from order_api.auth.keys import create_key
from order_api.explanations.schemas import Explanation, OrderMessage
from order_api.explanations.service import SHOWN_BYTES
from order_api.settings import ApiSettings
from order_contract.decision import DECISION_COLUMNS, OrderRow, decision_columns
from order_platform.kafka.producer import start_producer
from order_platform.postgres.ruleset_versions import record_ruleset
from order_platform.settings import KafkaSettings

from .conftest import MakeOrder, Serve, Store, running

pytestmark = pytest.mark.integration


async def decided(connection: asyncpg.Connection, row: OrderRow) -> OrderRow:
    """The row with the decision of the default rules, which are recorded."""
    ruleset = load_ruleset()
    await record_ruleset(connection, ruleset.version, ruleset.content)
    columns = decision_columns(evaluate(row.event(), EventFeatures(), ruleset))
    return row._replace(**dict(zip(DECISION_COLUMNS, columns, strict=True)))


async def test_explains_a_stored_order_rule_by_rule(
    client: httpx.AsyncClient, connection: asyncpg.Connection, store: Store, order: MakeOrder
) -> None:
    await store(await decided(connection, order("INV/2026/1", country="SG", amount=90_000_000)))
    response = await client.get("/v1/orders/INV/2026/1/explanation")
    assert response.status_code == 200, response.text
    found = Explanation.model_validate(response.json(), strict=False)
    assert found.agrees
    assert (found.review_at, found.decline_at) == (50, 90)
    fired = {rule.rule: rule.values for rule in found.rules if rule.fires}
    assert fired == {"foreign-country": {"country": "SG"}}
    assert "With country ID instead of SG the order would be approved." in [each.sentence for each in found.changes]


async def test_says_when_the_stored_values_give_another_decision(
    client: httpx.AsyncClient, connection: asyncpg.Connection, store: Store, order: MakeOrder
) -> None:
    row = await decided(connection, order("o1", country="SG"))
    await store(row._replace(risk_score=51))
    assert (await client.get("/v1/orders/o1/explanation")).json()["agrees"] is False


async def test_says_why_an_order_is_not_explained(
    client: httpx.AsyncClient, connection: asyncpg.Connection, store: Store, order: MakeOrder
) -> None:
    row = await decided(connection, order("erased"))
    await store(
        row._replace(features="{}"),
        row._replace(order_id="old", source_offset=18, features='{"local_hour":12}'),
        order("other", source_offset=19, ruleset_version="0" * 16),
    )
    for order_id, status, code in (
        ("erased", 409, "order-unexplained"),
        ("old", 409, "order-unexplained"),
        ("other", 404, "ruleset-unknown"),
        ("unknown", 404, "order-unknown-or-undecided"),
    ):
        response = await client.get(f"/v1/orders/{order_id}/explanation")
        assert (response.status_code, response.json()["code"]) == (status, code)


async def test_keys_without_personal_data_get_neither(serve: Serve, store: Store, order: MakeOrder) -> None:
    await store(order("o1"))
    async with serve("read", api_mask_personal_data="read") as client:
        for name in ("explanation", "message"):
            assert (await client.get(f"/v1/orders/o1/{name}")).status_code == 403


async def test_reads_the_message_cut_or_whole(
    kafka_settings: KafkaSettings,
    database_url: str,
    connection: asyncpg.Connection,
    store: Store,
    order: MakeOrder,
) -> None:
    own = {name: getattr(kafka_settings, name) for name in KafkaSettings.model_fields}
    settings = ApiSettings(database_url=SecretStr(database_url), **own)
    # The cut splits a character.
    value = b"x" + "é".encode() * SHOWN_BYTES
    producer = await start_producer(settings)
    sent = await producer.send_and_wait(settings.orders_topic, value, key=b"user-1", partition=0)
    binary = await producer.send_and_wait(settings.orders_topic, b"\xff\x00", partition=0)
    await producer.stop()
    place = {"source_topic": settings.orders_topic, "source_partition": 0}
    await store(
        order("large", **place, source_offset=sent.offset),
        order("binary", **place, source_offset=binary.offset),
        order("gone", **place, source_offset=999_999),
        order("earlier", source_topic=settings.orders_topic, source_epoch=7, source_partition=0, source_offset=0),
    )
    _, key = await create_key(connection, "test", "read")
    async with running(create_app(settings), key) as client:
        large = OrderMessage.model_validate((await client.get("/v1/orders/large/message")).json(), strict=False)
        assert (large.bytes, large.is_cut, large.key) == (len(value), True, "user-1")
        assert large.value == value[: SHOWN_BYTES - 1].decode()
        whole = (await client.get("/v1/orders/large/message", params={"whole": "true"})).json()
        assert (whole["value"], whole["is_cut"]) == (value.decode(), False)
        found = (await client.get("/v1/orders/binary/message")).json()
        assert (found["encoding"], found["value"]) == ("base64", "/wA=")
        for order_id in ("gone", "earlier"):
            missing = (await client.get(f"/v1/orders/{order_id}/message")).json()
            assert missing["missing"]
            assert missing["value"] is None
