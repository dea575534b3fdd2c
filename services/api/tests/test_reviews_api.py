"""`/v1/reviews`: pages with their orders and labels, and closing one by a label on the real broker."""

from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from order_api.labels.schemas import PublishedLabel
from order_api.reviews.schemas import ReviewPage
from order_platform.postgres.reviews import NewReview, open_reviews
from order_platform.settings import KafkaSettings
from tests.support.reading import read_topic

from .conftest import NOON, MakeOrder, Store

pytestmark = pytest.mark.integration

VERSIONS = ("3372255be29951af", "94ddd6bac399caae")


@pytest.fixture
async def reviews(store: Store, order: MakeOrder, connection: asyncpg.Connection) -> None:
    """Reviews of five orders, one of which was removed, and a label of `o1` from before and of `o2` from after."""
    await store(*(order(f"o{number}", user_id=f"user-{number % 2}") for number in range(4)))
    await _store_label(connection, 1, "o1", "fraud", 0.5)
    for version, orders, rules in ((VERSIONS[0], (0, 1, 2), ["a", "b"]), (VERSIONS[1], (3, 4), ["b"])):
        wanted = [NewReview(f"o{number}", rules) for number in orders]
        await open_reviews(connection, wanted, ruleset_version=version, author="dina", reason=f"by {rules}")
    await connection.execute(
        "update reviews set opened_at = $1::timestamptz + interval '1 hour' * right(order_id, 1)::integer", NOON
    )
    await _store_label(connection, 2, "o2", "fraud", 2.5)
    await _store_label(connection, 3, "o2", "legitimate", 4)


async def _store_label(connection: asyncpg.Connection, offset: int, order_id: str, label: str, hours: float) -> None:
    await connection.execute(
        """
        insert into labels (topic, epoch, partition, "offset", order_id, label, source, labelled_at, appended_at)
        values ('labels', 1, 0, $1, $2, $3, 'bank', $4, $4)
        """,
        offset, order_id, label, NOON + timedelta(hours=hours),
    )  # fmt: skip


async def listed(client: httpx.AsyncClient, **query: Any) -> list[str]:
    page = (await client.get("/v1/reviews", params=query)).raise_for_status().json()
    ReviewPage.model_validate(page, strict=False)
    assert page["next"] is None
    return [item["order_id"] for item in page["items"]]


@pytest.mark.usefixtures("reviews")
async def test_pages_and_filters(serve: Any) -> None:
    async with serve("read") as client:
        for query, expected in (
            ({}, "43210"),
            ({"state": "open"}, "4310"),
            ({"state": "closed"}, "2"),
            ({"rule": "a"}, "210"),
            ({"ruleset_version": VERSIONS[1], "rule": "b"}, "43"),
            ({"user_id": "user-1"}, "31"),
            ({"opened_by": "dina", "from": (NOON + timedelta(hours=1)).isoformat()}, "4321"),
            ({"to": (NOON + timedelta(hours=1)).isoformat()}, "0"),
            ({"opened_by": "budi"}, ""),
        ):
            assert await listed(client, **query) == [f"o{number}" for number in expected], query
        found, query = [], {"limit": "2", "state": "open"}
        while True:
            page = (await client.get("/v1/reviews", params=query)).raise_for_status().json()
            found += page["items"]
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
        assert [item["order_id"] for item in found] == ["o4", "o3", "o1", "o0"]
        assert found[0]["order"] is None
        assert found[1]["order"]["user_id"] == "user-1"
        assert (found[2]["state"], found[2]["label"], found[2]["closed_at"]) == ("open", "fraud", None)
        foreign = await client.get("/v1/reviews", params={**query, "state": "closed"})
        assert (foreign.status_code, foreign.json()["code"]) == (404, "cursor-unknown")
        (closed,) = (await client.get("/v1/reviews", params={"state": "closed"})).json()["items"]
        assert (closed["label"], closed["closed_at"]) == ("legitimate", "2026-11-22T07:30:00Z")


@pytest.mark.usefixtures("reviews")
async def test_a_review_is_closed_by_a_label(serve: Any, kafka_settings: KafkaSettings) -> None:
    settings = {"kafka": kafka_settings.kafka, "labels_topic": kafka_settings.labels_topic}
    async with serve("review", **settings) as client:
        closing = await client.post("/v1/reviews/o3/close", json={"label": "legitimate", "note": "called the buyer"})
        assert closing.status_code == 202, closing.text
        PublishedLabel.model_validate(closing.json(), strict=False)
        for order_id, status, code in (("o2", 409, "review-closed"), ("none", 404, "review-unknown")):
            refused = await client.post(f"/v1/reviews/{order_id}/close", json={"label": "fraud"})
            assert (refused.status_code, refused.json()["code"]) == (status, code)
    (label,) = await read_topic(kafka_settings, kafka_settings.labels_topic)
    assert label.key == b"o3"
    async with serve("read") as client:
        assert (await client.post("/v1/reviews/o3/close", json={"label": "fraud"})).status_code == 403
