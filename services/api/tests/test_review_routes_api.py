"""`/v1/reviews/routes`: which flagged orders enter the review queue, and where."""

from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from order_api.http.problems.problem import Problem
from order_api.review_routes.edits import Edit, add_route, change_route, remove_route, shift_route
from order_api.review_routes.filters import MOST_ROUTES, ReviewRoute
from order_api.review_routes.schemas import ActiveRoutes, MovedReviews

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


async def test_open_reviews_of_a_removed_route_are_moved(
    serve: Serve, store: Store, order: MakeOrder, connection: asyncpg.Connection
) -> None:
    review = {"outcome": "review", "status": "fraud"}
    async with serve("admin") as client:
        (await client.put(PATH, json={"routes": [{"name": "old", "due_minutes": 30}]})).raise_for_status()
        await store(*(order(f"o{number}", **review, source_offset=number) for number in range(3)))
        assert len((await client.get("/v1/reviews/queue?queue=old")).json()["items"]) == 3
        due = await connection.fetch("select order_id, due_at from reviews order by order_id")
        (await client.put(PATH, json={"routes": []})).raise_for_status()
        move = {"from_queue": "old", "to_queue": "old"}
        refused = await client.post("/v1/reviews/move", json=move)
        assert (refused.status_code, refused.json()["code"]) == (404, "review-route-unknown")
        moved = (await client.post("/v1/reviews/move", json={**move, "to_queue": "default"})).raise_for_status().json()
        assert MovedReviews.model_validate(moved) == MovedReviews(moved=3, remaining=0)
        assert len((await client.get("/v1/reviews/queue?queue=default")).json()["items"]) == 3
        assert await connection.fetch("select order_id, due_at from reviews order by order_id") == due
    entry = await connection.fetchrow("select * from audit_log order by id desc limit 1")
    assert entry is not None
    assert (entry["action"], entry["subject_kind"], entry["subject_id"]) == ("move", "review-queue", "old")
    async with serve("review") as client:
        assert (await client.post("/v1/reviews/move", json=move)).status_code == 403


def route(name: str, **fields: Any) -> ReviewRoute:
    return ReviewRoute(name=name, due_minutes=fields.pop("due_minutes", 30), **fields)


@pytest.mark.parametrize(
    ("edit", "names"),
    [
        (add_route(route("d"), None), "abcd"),
        (add_route(route("d"), "a"), "dabc"),
        (change_route(route("b", due_minutes=60)), "abc"),
        (shift_route("a", 1), "bac"),
        (shift_route("a", -1), "abc"),
        (shift_route("c", 1), "abc"),
        (shift_route("c", -1), "acb"),
        (remove_route("b"), "ac"),
    ],
)
def test_one_route_is_changed_among_the_others(edit: Edit, names: str) -> None:
    routes = edit([route(name) for name in "abc"])
    assert "".join(each.name for each in routes) == names
    assert {each.name: each.due_minutes for each in routes}.get("b") in (30, 60, None)


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (add_route(route("a"), None), "review-route-exists"),
        (add_route(route("d"), "other"), "review-route-unknown"),
        (change_route(route("d")), "review-route-unknown"),
        (shift_route("d", 1), "review-route-unknown"),
        (remove_route("d"), "review-route-unknown"),
    ],
)
def test_what_cannot_be_changed_is_refused(edit: Edit, code: str) -> None:
    with pytest.raises(Problem) as refused:
        edit([route(name) for name in "abc"])
    assert refused.value.code == code
    with pytest.raises(Problem, match="the most"):
        add_route(route("new"), None)([route(f"r{number}") for number in range(MOST_ROUTES)])
