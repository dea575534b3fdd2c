"""`/v1/reviews/routes`: which flagged orders enter the review queue, and where."""

from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from order_api.review_routes.schemas import ActiveRoutes

from .conftest import MakeOrder, Serve, Store

pytestmark = pytest.mark.integration

PATH = "/v1/reviews/routes"
DEFAULT = {
    "name": "default",
    "rule": None,
    "outcome": "review",
    "country": None,
    "payment_method": None,
    "min_amount": None,
    "currency": None,
    "due_minutes": 1_440,
    "default_action": "none",
    "second_review_percent": 5,
}


async def test_the_first_route_that_matches_gives_queue_and_due_time(
    serve: Serve, store: Store, order: MakeOrder, connection: asyncpg.Connection
) -> None:
    routes: list[dict[str, Any]] = [
        {"name": "large", "min_amount": 1_000_000, "currency": "IDR", "due_minutes": 30, "default_action": "escalate"},
        {"name": "declined", "outcome": "decline", "rule": "large-order", "due_minutes": 60},
        {"name": "abroad", "country": "sg", "payment_method": "go-pay", "due_minutes": 90},
    ]
    async with serve("admin") as client:
        assert (await client.get(PATH)).json() == {"routes": [DEFAULT]}
        replaced = (await client.put(PATH, json={"routes": routes})).raise_for_status().json()
        ActiveRoutes.model_validate(replaced, strict=False)
        assert [route["name"] for route in replaced["routes"]] == ["large", "declined", "abroad"]
        assert (replaced["routes"][2]["country"], replaced["routes"][2]["payment_method"]) == ("SG", "GoPay")
        assert (await client.get(PATH)).json() == replaced
        review = {"outcome": "review", "status": "fraud"}
        await store(
            order("a", flagged=True, amount=2_000_000, source_offset=1),
            order("b", flagged=True, amount=2_000_000, currency="SGD", source_offset=2),
            order("c", **review, country="SG", payment_method="GoPay", source_offset=3),
            order("d", **review, source_offset=4),
        )
        queued = {item["order_id"]: item["queue"] for item in (await client.get("/v1/reviews/queue")).json()["items"]}
        assert queued == {"a": "large", "b": "declined", "c": "abroad"}
        due = await connection.fetch("select order_id, due_at - opened_at as waits from reviews order by order_id")
        assert [round(row["waits"] / timedelta(minutes=1)) for row in due] == [30, 60, 90]
        assert (await client.put(PATH, json={"routes": []})).json() == {"routes": [DEFAULT]}
    entry = await connection.fetchrow("select * from audit_log order by id limit 1")
    assert entry is not None
    assert (entry["action"], entry["subject_kind"]) == ("replace", "review-routes")
    assert '"abroad"' in entry["after"]


@pytest.mark.parametrize(
    "route",
    [
        {"name": "Large"},
        {"due_minutes": 0},
        {"due_minutes": 1_000_000},
        {"outcome": "approve"},
        {"country": "XX"},
        {"min_amount": 5},
        {"default_action": "chargeback"},
        {"second_review_percent": 101},
        {"unknown": 1},
    ],
)
async def test_what_is_not_a_route_is_refused(serve: Serve, route: dict[str, Any]) -> None:
    async with serve("admin") as client:
        valid = {"name": "large", "due_minutes": 30}
        for routes in ([{**valid, **route}], [valid, valid]):
            assert (await client.put(PATH, json={"routes": routes})).status_code == 422


async def test_only_administrators_replace_routes(serve: Serve) -> None:
    async with serve("review") as client:
        assert (await client.put(PATH, json={"routes": []})).status_code == 403
