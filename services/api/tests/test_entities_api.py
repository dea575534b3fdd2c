"""`GET /v1/entities/{kind}`: entities as their stored orders show them."""

from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from order_api.entities import repository
from order_api.entities.schemas import Entity
from order_lists.model import ChangeRequest, ListSpec
from order_lists.repository import change_entries, create_list

from .conftest import NOON, MakeOrder, Serve, Store

pytestmark = pytest.mark.integration


async def find(client: httpx.AsyncClient, kind: str, value: str) -> Entity:
    response = await client.get(f"/v1/entities/{kind}", params={"id": value})
    assert response.status_code == 200, response.text
    return Entity.model_validate(response.json(), strict=False)


async def add_label(connection: asyncpg.Connection, order_id: str, label: str, offset: int) -> None:
    await connection.execute(
        'insert into labels (topic, epoch, partition, "offset", order_id, label, source, labelled_at, appended_at) '
        "values ('labels', 1, 0, $1, $2, $3, 'analyst', $4, $4)",
        offset,
        order_id,
        label,
        NOON,
    )


async def test_counts_the_orders_of_a_device(
    client: httpx.AsyncClient, connection: asyncpg.Connection, store: Store, order: MakeOrder
) -> None:
    await store(
        order("o1", flagged=True, amount=300, voucher_code="V1"),
        order("o2", user_id="user-2", source_offset=18, created_date=NOON + timedelta(days=1), amount=20),
        order("o3", user_id="user-2", source_offset=19, created_date=NOON + timedelta(days=1), amount=1),
        order("other", device_id="device-2", source_offset=20),
    )
    await add_label(connection, "o1", "legitimate", 1)
    await add_label(connection, "o1", "chargeback", 2)
    await create_list(connection, ListSpec("blocked_devices", "block", "device_id"), "dina")
    await create_list(connection, ListSpec("blocked_users", "block", "user_id"), "dina")
    for name in ("blocked_devices", "blocked_users"):
        await change_entries(
            connection,
            ChangeRequest(
                list_name=name, author="dina", reason="shared", provenance="api", action="add", add={"device-1": None}
            ),
        )
    found = await find(client, "device", "device-1")
    assert (found.orders, found.by_outcome.decline, found.by_label.chargeback) == (3, 1, 1)
    assert (found.flagged.part, found.flagged.whole) == (1, 3)
    assert found.flagged.low is not None
    assert (found.labelled_fraud.part, found.labelled_fraud.whole) == (1, 1)
    assert [(each.total, each.flagged) for each in found.amounts] == [(321, 300)]
    assert [(str(day.date), day.orders, day.flagged) for day in found.days] == [
        ("2026-11-22", 1, 1),
        ("2026-11-23", 2, 0),
    ]
    shared = {each.kind.value: [(value.id, value.orders) for value in each.values] for each in found.shared}
    assert shared["user"] == [("user-2", 2), ("user-1", 1)]
    assert shared["voucher"] == [("V1", 1)]
    assert found.lists is not None
    assert [(each.list, each.reason) for each in found.lists] == [("blocked_devices", "shared")]
    assert [each.order_id for each in found.latest_orders] == ["o3", "o2", "o1"]
    assert found.counted_from is None


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("user", "user-1"),
        ("address", "2001:DB8::1"),
        ("address", "::FFFF:36.68.10.20"),
        ("voucher", "<b>V & co</b>"),
        ("product", "product-1"),
    ],
)
async def test_finds_each_kind(
    client: httpx.AsyncClient, store: Store, order: MakeOrder, kind: str, value: str
) -> None:
    address = "::ffff:36.68.10.20" if value.startswith("::") else "2001:db8::1"
    await store(order("o1", ip_address=address, voucher_code="<b>V & co</b>"))
    assert (await find(client, kind, value)).orders == 1


async def test_says_from_when_on_orders_are_counted(
    client: httpx.AsyncClient, store: Store, order: MakeOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = [NOON + timedelta(hours=number) for number in range(9)]
    rows = [order(f"o{number}", source_offset=number, created_date=time) for number, time in enumerate(times)]
    await store(rows[0]._replace(product_id="rare"), *rows[1:])
    monkeypatch.setattr(repository, "SEARCHED_ORDERS", 4)
    found = await find(client, "product", "product-1")
    assert (found.orders, found.counted_from) == (4, NOON + timedelta(hours=5))
    response = await client.get("/v1/entities/product", params={"id": "rare"})
    assert (response.status_code, response.json()["code"]) == (404, "entity-unknown")
    assert "since 2026-11-22" in response.json()["detail"]


@pytest.mark.parametrize(("kind", "value"), [("device", "unknown"), ("address", "not an address")])
async def test_an_entity_without_orders_is_unknown(client: httpx.AsyncClient, kind: str, value: str) -> None:
    response = await client.get(f"/v1/entities/{kind}", params={"id": value})
    assert (response.status_code, response.json()["code"]) == (404, "entity-unknown")


async def test_personal_data_is_masked(serve: Serve, store: Store, order: MakeOrder) -> None:
    await store(order("o1"))
    async with serve("read", api_mask_personal_data="read") as client:
        assert (await client.get("/v1/entities/device", params={"id": "device-1"})).status_code == 403
        found: dict[str, Any] = (await client.get("/v1/entities/user", params={"id": "user-1"})).json()
    assert "device-1" not in str(found)
    assert {each["kind"]: each["values"][0]["id"] for each in found["shared"]}["device"] == "***"
