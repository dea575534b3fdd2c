"""The review queue: flagged orders enter it, people claim, escalate and close them, and no two get the same one."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from order_api.labels.schemas import PublishedLabel
from order_api.review_queue.default_actions import DefaultActions
from order_api.review_queue.schemas import ClosingResults, QueueItem, QueuePage, ReviewSummary
from order_contract.label import Label
from order_contract.label_record import decode_label
from order_platform.settings import KafkaSettings
from tests.support.reading import read_topic

from .conftest import MakeOrder, Serve, Store

pytestmark = pytest.mark.integration

StoreLabel = Callable[..., Awaitable[None]]


@pytest.fixture
def store_label(connection: asyncpg.Connection) -> StoreLabel:
    """Stores a label, as the detector would."""
    offsets = iter(range(1_000))

    async def insert(order_id: str, label: str, author: str | None = None, source: str = "analyst") -> None:
        await connection.execute(
            """
            insert into labels
                (topic, epoch, partition, "offset", order_id, label, source, author, labelled_at, appended_at)
            values ('labels', 1, 0, $1, $2, $3, $4, $5, now(), now())
            """,
            next(offsets), order_id, label, source, author,
        )  # fmt: skip

    return insert


@pytest.fixture
async def flagged(store: Store, order: MakeOrder) -> None:
    """Four orders to review, one that is approved and one that is declined."""
    review = {"outcome": "review", "status": "fraud"}
    await store(
        order("o0", **review, source_offset=0, risk_score=50, amount=900_000),
        order("o1", **review, source_offset=1, risk_score=70, amount=100_000),
        order("o2", **review, source_offset=2, risk_score=50, amount=5_000, currency="SGD"),
        order("o3", **review, source_offset=3, risk_score=71, rule_ids=["b"], hits='[{"rule":"b","mode":"live"}]'),
        order("approved", source_offset=10),
        order("declined", flagged=True, source_offset=11),
    )


@pytest.fixture
async def people(serve: Serve, kafka_settings: KafkaSettings) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Two people, each with a key and an API process of their own."""
    settings = {"kafka": kafka_settings.kafka, "labels_topic": kafka_settings.labels_topic}
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(serve("review", **settings)) for _ in range(2)]


async def listed(client: httpx.AsyncClient, **query: Any) -> list[str]:
    page = (await client.get("/v1/reviews/queue", params=query)).raise_for_status().json()
    QueuePage.model_validate(page, strict=False)
    return [item["order_id"] for item in page["items"]]


async def posted(client: httpx.AsyncClient, path: str, body: Any = None, status: int = 200) -> Any:
    response = await client.post(f"/v1/reviews/{path}", json=body)
    assert response.status_code == status, response.text
    return response.json()


@pytest.mark.usefixtures("flagged")
async def test_flagged_orders_are_queued_the_most_urgent_first(client: httpx.AsyncClient) -> None:
    assert await listed(client) == ["o3", "o1", "o0", "o2"]
    assert await listed(client, rule="b") == ["o3"]
    assert await listed(client, queue="default", state="waiting") == ["o3", "o1", "o0", "o2"]
    for query in ({"queue": "other"}, {"state": "claimed"}, {"mine": "true"}, {"state": "overdue"}):
        assert await listed(client, **query) == []
    found, query = [], {"limit": "3"}
    while True:
        page = (await client.get("/v1/reviews/queue", params=query)).json()
        found += page["items"]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert [item["order_id"] for item in found] == ["o3", "o1", "o0", "o2"]
    assert (found[0]["rules"], found[0]["reason"], found[0]["order"]["user_id"]) == (["b"], "review", "user-1")
    foreign = await client.get("/v1/reviews/queue", params={**query, "state": "waiting"})
    assert (foreign.status_code, foreign.json()["code"]) == (404, "cursor-unknown")


@pytest.mark.usefixtures("flagged")
async def test_no_two_people_get_the_same_review(people: list[httpx.AsyncClient]) -> None:
    claimed = await asyncio.gather(*(person.post("/v1/reviews/next") for person in people * 3))
    orders = [response.json()["order_id"] for response in claimed if response.status_code == 200]
    assert sorted(orders) == ["o0", "o1", "o2", "o3"]
    assert {response.json()["code"] for response in claimed if response.status_code != 200} == {"no-review-waiting"}
    mine, theirs = [await listed(person, mine="true") for person in people]
    assert sorted(mine + theirs) == sorted(orders)
    assert await listed(people[0], state="waiting") == []


@pytest.mark.usefixtures("flagged")
async def test_a_claim_is_one_persons_until_it_ends(
    people: list[httpx.AsyncClient], connection: asyncpg.Connection
) -> None:
    first, second = people
    taken = QueueItem.model_validate(await posted(first, "o1/claim"), strict=False)
    assert taken.claimed_by is not None
    assert taken.claimed_by.startswith("test (")
    refused = await posted(second, "o1/claim", status=409)
    assert (refused["code"], refused["claimed_by"]) == ("review-claimed", taken.claimed_by)
    assert refused["claimed_until"] is not None
    for action, body in (("close", {"label": "fraud"}), ("escalate", {}), ("release", None)):
        assert (await posted(second, f"o1/{action}", body, 409))["code"] == "review-claimed"
    assert taken.claimed_until is not None
    extended = QueueItem.model_validate(await posted(first, "o1/claim"), strict=False)
    assert extended.claimed_until is not None
    assert extended.claimed_until > taken.claimed_until
    assert (await posted(first, "o1/release"))["claimed_by"] is None
    await posted(second, "o1/claim")
    await connection.execute("update reviews set claimed_until = now() where order_id = 'o1'")
    assert (await posted(first, "next"))["order_id"] == "o3"
    assert (await posted(first, "next"))["order_id"] == "o1"
    assert (await posted(first, "none/claim", status=404))["code"] == "review-unknown"
    assert (await posted(first, "approved/claim", status=404))["code"] == "review-unknown"


@pytest.mark.usefixtures("flagged")
async def test_the_queue_is_measured(serve: Serve, connection: asyncpg.Connection) -> None:
    async with serve("review") as person:
        assert 'orderwatch_api_open_reviews{queue="default"} 4.0' in (await person.get("/metrics")).text
        opened = await connection.fetchval("select min(opened_at) from reviews")
        await posted(person, "o1/claim")
        await posted(person, "o2/escalate", {})
        await connection.execute("update reviews set due_at = now(), queue = 'old' where order_id in ('o0', 'o3')")
    async with serve("review") as client:  # counts are kept for a moment
        measured = (await client.get("/metrics")).text
    for name, queue, value in (
        ("open", "default", 2), ("claimed", "default", 1), ("escalated", "default", 1), ("overdue", "default", 0),
        ("open", "old", 2), ("overdue", "old", 2),
    ):  # fmt: skip
        assert f'orderwatch_api_{name}_reviews{{queue="{queue}"}} {value}.0' in measured, name
    alerts = (Path(__file__).parents[3] / "deploy/prometheus/alerts.yaml").read_text()
    named = re.findall(r"orderwatch_api_\w+", alerts)
    assert named
    assert [name for name in named if f"# TYPE {name} gauge" not in measured] == []
    oldest = re.search(r'^orderwatch_api_oldest_review_timestamp_seconds\{queue="old"\} (.+)$', measured, re.MULTILINE)
    assert oldest is not None
    assert float(oldest[1]) == pytest.approx(opened.timestamp(), abs=60)


@pytest.mark.usefixtures("flagged")
async def test_an_administrator_ends_another_persons_claim(
    people: list[httpx.AsyncClient], serve: Serve, connection: asyncpg.Connection
) -> None:
    first, second = people
    taken = await posted(first, "o1/claim")
    await posted(second, "o1/end-claim", status=403)
    async with serve("admin") as administrator:
        assert (await posted(administrator, "o1/end-claim"))["claimed_by"] is None
        await posted(administrator, "o1/end-claim")  # none is there any more
        assert (await posted(administrator, "none/end-claim", status=404))["code"] == "review-unknown"
    await posted(second, "o1/claim")
    assert (await posted(first, "o1/claim", status=409))["code"] == "review-claimed"
    entries = await connection.fetch("select subject_id, before from audit_log where action = 'end-claim'")
    assert [entry["subject_id"] for entry in entries] == ["o1"]
    assert json.loads(entries[0]["before"])["claimed_by"] == taken["claimed_by"]


@pytest.mark.usefixtures("flagged")
async def test_an_escalated_review_comes_first_for_another_person(
    people: list[httpx.AsyncClient], connection: asyncpg.Connection
) -> None:
    first, second = people
    await posted(first, "o2/claim")
    escalated = await posted(first, "o2/escalate", {"note": "same device as a ring"})
    assert escalated["claimed_by"] is None
    await posted(second, "o2/escalate")  # once is enough
    assert await listed(first, state="escalated") == ["o2"]
    assert (await listed(first))[0] == "o2"
    assert (await posted(first, "next"))["order_id"] == "o3"
    assert (await posted(second, "next"))["order_id"] == "o2"
    notes = await connection.fetch("select subject_kind, subject_id, author, text from notes")
    assert [tuple(note) for note in notes] == [("order", "o2", escalated["escalated_by"], "same device as a ring")]
    recorded = await connection.fetch("select action, subject_kind, subject_id from audit_log order by id")
    assert [tuple(row)[:2] for row in recorded] == [("escalate", "review"), ("add", "note")]


@pytest.mark.usefixtures("flagged")
async def test_a_review_leaves_the_queue_with_its_verdict(
    people: list[httpx.AsyncClient],
    connection: asyncpg.Connection,
    store_label: StoreLabel,
    kafka_settings: KafkaSettings,
) -> None:
    first, second = people
    await posted(first, "o1/claim")
    published = await posted(first, "o1/close", {"label": "fraud", "note": "stolen card"}, 202)
    PublishedLabel.model_validate(published, strict=False)
    assert await listed(second) == ["o3", "o0", "o2"]
    for person in people:
        refused = await posted(person, "o1/close", {"label": "legitimate"}, 409)
        assert (refused["code"], refused["decided_by"]) == ("review-decided", published["author"])
    (label,) = await read_topic(kafka_settings, kafka_settings.labels_topic)
    assert label.key == b"o1"
    # The label does not arrive.
    await connection.execute("update reviews set decided_until = now() where order_id = 'o1'")
    assert "o1" in await listed(second)
    await connection.execute("update reviews set queue = 'without-second-reviews' where order_id = 'o1'")
    await store_label("o1", "fraud", published["author"])
    assert "o1" not in await listed(second)
    refused = await posted(second, "o1/close", {"label": "fraud"}, 409)
    assert (refused["code"], refused["label"]) == ("review-closed", "fraud")


@pytest.mark.usefixtures("flagged")
async def test_several_are_closed_at_once(people: list[httpx.AsyncClient], kafka_settings: KafkaSettings) -> None:
    first, second = people
    await posted(second, "o3/claim")
    closed = await posted(first, "bulk", {"order_ids": ["o0", "o3", "none", "o2"], "label": "legitimate"}, 202)
    ClosingResults.model_validate(closed, strict=False)
    statuses = [(item["order_id"], item["status"]) for item in closed["items"]]
    assert statuses == [("o0", "closed"), ("o3", "refused"), ("none", "unknown"), ("o2", "closed")]
    assert "is looking at the order" in closed["items"][1]["detail"]
    labels = await read_topic(kafka_settings, kafka_settings.labels_topic)
    assert sorted(label.key for label in labels) == [b"o0", b"o2"]
    assert await listed(first) == ["o3", "o1"]
    assert (await first.post("/v1/reviews/bulk", json={"order_ids": [], "label": "fraud"})).status_code == 422


@pytest.mark.usefixtures("flagged")
async def test_without_a_broker_a_review_stays_in_the_queue(serve: Serve) -> None:
    async with serve("review", kafka="127.0.0.1:1") as client:
        closing, several = await asyncio.gather(
            client.post("/v1/reviews/o1/close", json={"label": "fraud"}),
            client.post("/v1/reviews/bulk", json={"order_ids": ["o0"], "label": "fraud"}),
        )
        assert (closing.status_code, closing.json()["code"]) == (503, "broker-unavailable")
        assert [item["status"] for item in several.json()["items"]] == ["unavailable"]
        assert await listed(client) == ["o3", "o1", "o0", "o2"]


async def test_counts(
    client: httpx.AsyncClient, serve: Serve, store: Store, order: MakeOrder, connection: asyncpg.Connection
) -> None:
    now = await connection.fetchval("select now()")
    await store(
        order("a", outcome="review", status="fraud", created_date=now, source_offset=1, amount=40),
        order("b", flagged=True, created_date=now, source_offset=2, amount=2),
        order("c", outcome="review", status="fraud", created_date=now - timedelta(days=2), source_offset=3),
    )
    assert sorted(await listed(client)) == ["a", "c"]
    await connection.execute("update reviews set due_at = now() - interval '1 hour' where order_id = 'c'")
    async with serve("review") as reviewer:
        await posted(reviewer, "c/claim")
        counts = (await reviewer.get("/v1/reviews/counts")).raise_for_status().json()
    ReviewSummary.model_validate(counts, strict=False)
    assert counts["queues"] == {"default": counts["total"]}
    oldest = counts["total"].pop("oldest_opened_at")
    assert oldest is not None
    assert counts["total"] == {"open": 2, "overdue": 1, "claimed": 1, "escalated": 0, "second": 0}
    assert (counts["mine"], counts["held"], counts["second_reviews"]) == (1, {"IDR": 42}, 0)


async def test_a_sample_is_reviewed_by_another_person(
    people: list[httpx.AsyncClient], store: Store, order: MakeOrder, store_label: StoreLabel,
    connection: asyncpg.Connection,
) -> None:  # fmt: skip
    first, second = people
    await store(*(order(f"s{n}", outcome="review", status="fraud", source_offset=n) for n in range(200)))
    author = (await posted(first, "next"))["claimed_by"]
    for number in range(200):
        await store_label(f"s{number}", "fraud", author)
    sampled = await connection.fetch("select order_id from open_reviews where stage = 'second' order by order_id")
    assert 1 <= len(sampled) <= 25  # 5 % of 200
    order_id = (await posted(second, "next"))["order_id"]
    assert await listed(first) == []
    assert (await posted(first, f"{order_id}/claim", status=409))["code"] == "second-review-refused"
    assert (await posted(first, "next", status=404))["code"] == "no-review-waiting"
    await store_label(order_id, "fraud", author)  # the first person again
    assert order_id in await listed(second, state="second")
    await store_label(order_id, "legitimate", "another (0123456789ab)")
    assert order_id not in await listed(second, state="second")
    counts = (await second.get("/v1/reviews/counts")).json()
    assert (counts["second_reviews"], counts["disagreements"]) == (1, 1)


async def test_an_order_that_is_labelled_before_it_is_stored_needs_no_review(
    client: httpx.AsyncClient, store: Store, order: MakeOrder, store_label: StoreLabel
) -> None:
    await store_label("o1", "fraud")
    await store(order("o1", outcome="review", status="fraud"))
    assert await listed(client) == []


async def test_only_reviewers_work_on_the_queue(client: httpx.AsyncClient) -> None:
    for path, body in (("next", None), ("o/claim", None), ("o/release", None), ("o/escalate", {}), ("bulk", {})):
        assert (await client.post(f"/v1/reviews/{path}", json=body)).status_code == 403


@pytest.mark.usefixtures("flagged")
async def test_overdue_reviews_get_the_default_action_of_their_route_once(
    people: list[httpx.AsyncClient], connection: asyncpg.Connection, kafka_settings: KafkaSettings,
    service_of: Any, store_label: StoreLabel,
) -> None:  # fmt: skip
    first, second = people
    actions = [service_of(person, DefaultActions) for person in people]
    await listed(first)  # opens the reviews
    for position, (name, action) in enumerate(
        (("closes", "legitimate"), ("escalates", "escalate"), ("default", "none"))
    ):
        await connection.execute(
            """
            insert into review_routes (position, name, due_minutes, default_action, second_review_percent)
            values ($1, $2, 5, $3, 0)
            """,
            position, name, action,
        )  # fmt: skip
    await connection.execute(
        """
        update reviews set due_at = now() - interval '1 second',
            queue = case order_id when 'o2' then 'escalates' when 'o3' then queue else 'closes' end
        """
    )
    await posted(second, "o1/claim")  # a person is looking at it
    assert sum(await asyncio.gather(*(each.carry_out() for each in actions * 2))) == 2
    assert await listed(first) == ["o2", "o3", "o1"]
    (label,) = await read_topic(kafka_settings, kafka_settings.labels_topic)
    event = decode_label(label.value, datetime.now(UTC) + timedelta(minutes=1))
    assert event[:4] == ("o0", Label.LEGITIMATE, "default-action", "route closes")
    # Also when the label is late.
    await connection.execute("update reviews set decided_until = now() where order_id = 'o0'")
    assert await actions[0].carry_out() == 0
    assert "o0" in await listed(first)
    await store_label("o0", "legitimate", "route closes", "default-action")
    assert "o0" not in await listed(first)
    recorded = await connection.fetch("select actor, action, subject_kind, subject_id from audit_log")
    assert [tuple(row) for row in recorded] == [("route escalates", "escalate", "review", "o2")]


async def test_a_review_that_was_opened_beside_its_label_is_closed(
    client: httpx.AsyncClient, flagged: None, store_label: StoreLabel, service_of: Any, connection: asyncpg.Connection
) -> None:
    assert await listed(client) == ["o3", "o1", "o0", "o2"]
    await store_label("o1", "fraud")
    await connection.execute("update reviews set closed_at = null")  # as if neither had seen the other
    await service_of(client, DefaultActions).carry_out()
    assert await listed(client) == ["o3", "o0", "o2"]


async def test_reviews_are_read_while_the_database_takes_no_writes(
    flagged: None, serve: Serve, connection: asyncpg.Connection
) -> None:
    async with serve("review") as client:
        name = await connection.fetchval("select current_database()")
        await connection.execute(f"alter database {name} set default_transaction_read_only = on")
        for path in ("/v1/reviews", "/v1/reviews/queue", "/v1/reviews/counts"):
            response = await client.get(path)
            assert response.status_code == 200, (path, response.text)
