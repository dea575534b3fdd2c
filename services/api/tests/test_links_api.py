"""`GET /v1/links`: users who share devices, addresses and vouchers."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from order_api.links import graph as graph_module
from order_api.links.filters import LinkKind
from order_api.links.graph import MOST_LINKS, Link, LinkGraph, NodeKey
from order_api.links.schemas import Links

from .conftest import NOON, MakeOrder, Serve, Store


async def find(client: httpx.AsyncClient, **parameters: Any) -> Links:
    response = await client.get("/v1/links", params=parameters)
    assert response.status_code == 200, response.text
    return Links.model_validate(response.json(), strict=False)


@pytest.mark.integration
async def test_follows_what_orders_share(client: httpx.AsyncClient, store: Store, order: MakeOrder) -> None:
    def placed(number: int, user: str, device: str | None, **changes: Any) -> Any:
        time: datetime = NOON + timedelta(minutes=number)
        return order(
            f"o{number}", user_id=user, device_id=device, ip_address=None, source_offset=number, created_date=time,
            **changes,
        )  # fmt: skip

    await store(
        placed(1, "ann", "d1", flagged=True),
        placed(2, "ben", "d1"),
        placed(3, "ben", "d2", voucher_code="V"),
        placed(4, "cid", "d2", voucher_code="V"),
        placed(5, "dan", None, voucher_code="V"),
    )
    found = await find(client, kind="user", id="ann", depth="4")
    assert {node.key: node.depth for node in found.nodes} == {
        "user:ann": 0, "device:d1": 1, "user:ben": 2, "device:d2": 3, "voucher:V": 3, "user:cid": 4,
    }  # fmt: skip
    links = {frozenset((each.source, each.target)): (each.orders, each.flagged) for each in found.links}
    assert links[frozenset(("user:ann", "device:d1"))] == (1, 1)
    assert {node.key for node in found.nodes if node.flagged} == {"user:ann", "device:d1"}
    assert not found.is_cut
    voucher = await find(client, kind="voucher", id="V", depth="1")
    assert [node.id for node in voucher.nodes] == ["V", "dan", "cid", "ben"]
    await store(placed(6, "eva", None)._replace(ip_address="2001:db8::1"))
    address = await find(client, kind="address", id="2001:0DB8::1", depth="1")
    assert {node.key for node in address.nodes} == {"address:2001:db8::1", "user:eva"}
    start = await find(client, kind="order", id="o3", depth="1")
    assert {node.key for node in start.nodes} == {"order:o3", "user:ben", "device:d2", "voucher:V"}


@pytest.mark.integration
@pytest.mark.parametrize(
    ("kind", "code"),
    [("order", "order-unknown-or-undecided"), ("user", "entity-unknown"), ("voucher", "entity-unknown")],
)
async def test_begins_at_nothing_unknown(client: httpx.AsyncClient, kind: str, code: str) -> None:
    response = await client.get("/v1/links", params={"kind": kind, "id": "unknown"})
    assert (response.status_code, response.json()["code"]) == (404, code)


@pytest.mark.integration
async def test_keys_without_personal_data_get_none(serve: Serve) -> None:
    async with serve("read", api_mask_personal_data="read") as client:
        assert (await client.get("/v1/links", params={"kind": "user", "id": "ann"})).status_code == 403


def test_a_graph_keeps_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_module, "MOST_NODES", 60)
    first, second = NodeKey(LinkKind.DEVICE, "d1"), NodeKey(LinkKind.DEVICE, "d2")

    def users(start: NodeKey, count: int) -> list[Link]:
        return [Link(start, NodeKey(LinkKind.USER, f"{start.id}-{each}"), 1, 0, NOON) for each in range(count)]

    graph = LinkGraph({first: 0, second: 0})
    assert len(graph.add(users(first, MOST_LINKS + 1))) == MOST_LINKS
    assert graph.cut == {first}
    assert len(graph.add(users(second, 20))) == 60 - 2 - MOST_LINKS
    assert graph.cut == {first, second}
    assert len(graph.depths) == 60
