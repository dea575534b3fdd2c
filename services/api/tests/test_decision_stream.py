"""What a stream of live decisions says, from the real topic over real HTTP."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import orjson
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from order_platform.settings import KafkaSettings
from tests.support.decision_streams import PATH, StreamHarness, harness_at, serving

pytestmark = pytest.mark.integration
PLACES = {"good": 1, "bad": 2, "other": 3}


@pytest.fixture
async def harness(
    kafka_settings: KafkaSettings, database_url: str, connection: asyncpg.Connection, order: Any
) -> AsyncIterator[StreamHarness]:
    async with (
        serving(kafka_settings, database_url) as url,
        harness_at(url, connection, kafka_settings, order) as harness,
    ):
        yield harness


async def test_a_decision_arrives_to_the_byte(harness: StreamHarness) -> None:
    await harness.publish("before")
    async with harness.listening() as listener:
        await listener.started()
        (value,) = await harness.publish("a", flagged=True)
        event = await listener.next()
    assert (event.event, event.data.encode()) == ("decision", value)
    assert re.fullmatch(r"0:\d,1:\d,2:\d,3:\d", event.id)


async def test_from_the_beginning(harness: StreamHarness) -> None:
    ids = [f"o{number}" for number in range(300)]
    await harness.publish(*ids)
    async with harness.listening(**{"from": "beginning"}) as listener:
        assert sorted(await listener.orders(300)) == sorted(ids)
        await harness.publish("later")
        assert await listener.orders(1) == ["later"]


@pytest.mark.parametrize("by_header", [True, False])
async def test_it_resumes_after_any_event_without_gap_or_repeat(harness: StreamHarness, by_header: bool) -> None:
    ids = [f"o{number}" for number in range(40)]
    await harness.publish(*ids)
    places: list[str] = []
    async with harness.listening(**{"from": "beginning"}) as listener:
        first = []
        for _ in ids:
            first += await listener.orders(1)
            places.append(listener.last_id)
    for had in (1, 7, 39):
        resume: dict[str, Any] = {"last_event_id": places[had - 1]} if by_header else {"from": places[had - 1]}
        async with harness.listening(**resume) as listener:
            assert sorted(first[:had] + await listener.orders(40 - had)) == sorted(ids)


async def test_decisions_made_in_the_meantime_arrive_once(harness: StreamHarness) -> None:
    """While one reads the history, decisions are made: each arrives once."""
    await harness.publish(*[f"p{number}" for number in range(3000)])
    async with harness.listening(**{"from": "beginning"}) as listener:
        publishing = asyncio.create_task(harness.publish(*[f"q{number}" for number in range(500)]))
        got = await listener.orders(3500)
        await publishing
    assert len(set(got)) == 3500


async def test_filters(harness: StreamHarness) -> None:
    wanted: list[tuple[dict[str, str], list[str]]] = [
        ({"flagged": "true"}, ["bad"]),
        ({"flagged": "false"}, ["good", "other"]),
        ({"outcome": "decline"}, ["bad"]),
        ({"status": "genuine"}, ["good", "other"]),
        ({"user_id": "user-2"}, ["other"]),
        ({"rule": "large-order"}, ["bad"]),
        ({"min_risk_score": "90"}, ["bad"]),
        ({"min_risk_score": "0", "user_id": "user-1"}, ["good", "bad"]),
    ]
    async with AsyncExitStack() as stack:
        listeners = [await stack.enter_async_context(harness.listening(**query)) for query, _ in wanted]
        for listener in listeners:
            await listener.started()
        await harness.publish("good", partition=0)
        await harness.publish("bad", partition=0, flagged=True)
        await harness.publish("other", partition=0, user_id="user-2")
        for listener, (_, expected) in zip(listeners, wanted, strict=True):
            assert await listener.orders(len(expected)) == expected
            assert listener.last_id == f"0:{PLACES[expected[-1]]},1:0,2:0,3:0"


async def test_invalid_parameters_are_named(harness: StreamHarness) -> None:
    wrong = {
        "flagged": "maybe",
        "outcome": "reject",
        "status": "ok",
        "user_id": "",
        "rule": "x" * 65,
        "min_risk_score": "101",
        "from": "yesterday",
        "colour": "red",
    }
    problem = await harness.refused(**wrong)
    assert (problem["status"], problem["code"]) == (422, "invalid-request")
    assert {error["field"]: error["value"] for error in problem["errors"]} == wrong
    problem = await harness.refused(last_event_id="0:1,banana")
    assert [(error["in"], error["field"], error["value"]) for error in problem["errors"]] == [
        ("header", "Last-Event-ID", "0:1,banana")
    ]


async def test_who_asks_for_something_else_gets_none_of_it(harness: StreamHarness) -> None:
    answer = await harness.client.get(PATH, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (406, "not-acceptable")


async def test_who_has_no_key_gets_nothing(harness: StreamHarness) -> None:
    answer = await harness.client.get(PATH, headers={"Authorization": ""})
    assert answer.status_code == 401


async def test_it_is_not_compressed_and_not_cached(harness: StreamHarness) -> None:
    async with harness.client.stream("GET", PATH, headers={"Accept-Encoding": "gzip", "Accept": "*/*"}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert "content-encoding" not in answer.headers
        assert answer.headers["cache-control"] == "no-store"


async def test_an_id_beyond_the_end_is_reset(harness: StreamHarness) -> None:
    await harness.publish("a", "b")
    async with harness.listening(last_event_id="0:9999,1:9999,2:9999,3:9999") as listener:
        event = await listener.next()
        assert event.event == "reset"
        assert orjson.loads(event.data)["from"] == event.id == "0:0,1:0,2:0,3:0"
        assert "beyond the end" in orjson.loads(event.data)["reason"]
        assert sorted(await listener.orders(2)) == ["a", "b"]


async def test_a_partition_that_the_topic_does_not_have_is_reset(harness: StreamHarness) -> None:
    await harness.publish("a")
    async with harness.listening(last_event_id="0:0,7:1") as listener:
        assert (await listener.next()).event == "reset"
        assert await listener.orders(1) == ["a"]


async def test_an_id_before_retention_is_reset(harness: StreamHarness, kafka_settings: KafkaSettings) -> None:
    await harness.publish("a", "b", "c", partition=1)
    admin = AIOKafkaAdminClient(**kafka_settings.client_options())
    await admin.start()
    await admin.delete_records({TopicPartition(harness.topic, 1): RecordsToDelete(before_offset=2)})
    await admin.close()
    async with harness.listening(last_event_id="0:0,1:1,2:0,3:0") as listener:
        event = await listener.next()
        assert (event.event, event.id) == ("reset", "0:0,1:2,2:0,3:0")
        assert "retention" in orjson.loads(event.data)["reason"]
        assert await listener.orders(1) == ["c"]
