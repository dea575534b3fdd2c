"""`/v1/orders/{order_id}/labels`: published on the real broker, listed from where detectors store labels."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from order_api.labels.schemas import LabelHistory, PublishedLabel
from order_api.labels.service import LabelService
from order_contract.label import Label, LabelReason
from order_contract.label_record import decode_label
from order_platform.settings import KafkaSettings
from tests.support.reading import read_topic

pytestmark = pytest.mark.integration

PATH = "/v1/orders/INV/7/labels"


async def test_a_label_is_published_with_its_author(serve: Any, kafka_settings: KafkaSettings) -> None:
    settings = {"kafka": kafka_settings.kafka, "labels_topic": kafka_settings.labels_topic}
    async with serve("review", **settings) as client:
        response = await client.post(PATH, json={"label": "chargeback", "note": "reason 4837", "reason": "stolen-card"})
        assert response.status_code == 202, response.text
        published = PublishedLabel.model_validate(response.json(), strict=False)
        again = await client.post(PATH, json={"label": "legitimate", "source": "call", "note": ""})
        assert again.json()["note"] is None
    first, second = await read_topic(kafka_settings, kafka_settings.labels_topic)
    assert (first.key, second.key) == (b"INV/7", b"INV/7")
    assert first.partition == second.partition == published.origin.partition
    assert (first.offset, second.offset) == (published.origin.offset, again.json()["origin"]["offset"])
    event = decode_label(first.value, datetime.now(UTC) + timedelta(minutes=1))
    assert event[:4] == ("INV/7", Label.CHARGEBACK, "analyst", published.author)
    assert (event.at, event.note, event.reason) == (published.at, "reason 4837", LabelReason.STOLEN_CARD)
    assert event.author is not None
    assert event.author.startswith("test (")
    assert decode_label(second.value, datetime.now(UTC) + timedelta(minutes=1)).source == "call"


async def test_the_history_begins_with_the_newest(serve: Any, connection: asyncpg.Connection) -> None:
    async with serve("read") as client:
        assert (await client.get(PATH)).json() == {"current": None, "items": []}
        await connection.execute(
            """
            insert into labels (topic, epoch, partition, "offset", order_id, label, source, labelled_at, appended_at)
            values ('labels', 1, 2, 9, 'INV/7', 'fraud', 'bank', now(), now()),
                ('labels', 2, 2, 0, 'INV/7', 'legitimate', 'bank', now(), now()),
                ('labels', 1, 2, 8, 'other', 'chargeback', 'bank', now(), now())
            """
        )
        listed = (await client.get(PATH)).json()
        history = LabelHistory.model_validate(listed, strict=False)
        assert history.current is Label.LEGITIMATE
        assert [item.label for item in history.items] == [Label.LEGITIMATE, Label.FRAUD]


async def test_orders_have_their_newest_label(
    serve: Any, store: Any, order: Any, connection: asyncpg.Connection
) -> None:
    await store(order("labelled", flagged=True), order("other", flagged=True))
    async with serve("read") as client:
        unlabelled = await client.get("/v1/orders/labelled")
        assert unlabelled.json()["label"] is None
        await connection.execute(
            """
            insert into labels
                (topic, epoch, partition, "offset", order_id, label, source, author, labelled_at, appended_at, reason)
            values ('labels', 1, 2, 8, 'labelled', 'fraud', 'analyst', 'dina', '2026-11-22 05:00:00+00', now(), null),
                ('labels', 1, 2, 9, 'labelled', 'legitimate', 'bank', null, '2026-11-22 04:00:00+00', now(),
                    'known-customer')
            """
        )
        label = {
            "label": "legitimate",
            "source": "bank",
            "author": None,
            "at": "2026-11-22T04:00:00Z",
            "reason": "known-customer",
        }
        etag = {"If-None-Match": unlabelled.headers["etag"]}
        assert (await client.get("/v1/orders/labelled", headers=etag)).json()["label"] == label
        for path in ("/v1/orders", "/v1/flags", "/v1/orders?user_id=user-1&limit=2"):
            items = (await client.get(path)).json()["items"]
            assert {item["order_id"]: item["label"] for item in items} == {"labelled": label, "other": None}, path


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "label"),
        ({"label": "fruad"}, "label"),
        ({"label": "fraud", "at": "2026-11-22"}, "at"),
        ({"label": "fraud", "source": ""}, "source"),
        ({"label": "fraud", "note": "x" * 2_001}, "note"),
        ({"label": "fraud", "note": "\0"}, "note"),
        ({"label": "fraud", "reason": "false-alarm"}, "reason"),
        ({"label": "legitimate", "reason": "holiday"}, "reason"),
    ],
)
async def test_what_is_not_a_label_is_refused(serve: Any, body: dict[str, str], field: str) -> None:
    async with serve("review", kafka="127.0.0.1:1") as client:
        refused = await client.post(PATH, json=body)
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == field


async def test_text_that_is_no_unicode_is_refused(serve: Any) -> None:
    async with serve("review", kafka="127.0.0.1:1") as client:
        headers = {"Content-Type": "application/json"}
        content = b'{"label": "fraud", "note": "\\ud800"}'
        assert (await client.post(PATH, content=content, headers=headers)).status_code == 422


async def test_only_reviewers_label_orders(serve: Any) -> None:
    async with serve("read") as client:
        assert (await client.post(PATH, json={"label": "fraud"})).status_code == 403


async def test_without_a_broker_the_response_says_so_soon(serve: Any, service_of: Any) -> None:
    async with serve("review", kafka="127.0.0.1:1") as client:
        started = time.monotonic()
        refused = await client.post(PATH, json={"label": "fraud"})
        assert (refused.status_code, refused.json()["code"]) == (503, "broker-unavailable")
        assert "retry-after" in refused.headers
        assert time.monotonic() - started < 30
        assert service_of(client, LabelService) is not None
