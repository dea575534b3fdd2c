"""`/v1/rules/performance`: figures that equal a plain computation, periods that say whether their labels are due."""

import json
import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from decision_engine.proportion import Proportion
from order_api.rules.filters import Period
from order_api.rules.repository import HitGroup
from order_api.rules.schemas import OperatingPoints, Overlaps, Performance
from order_api.rules.service import build_performance
from order_contract.business_time import business_date

from .conftest import NOON, MakeOrder, Store

pytestmark = pytest.mark.integration

RULES = ("foreign-country", "large-order")
PATH = "/v1/rules/performance"
RANGE = {"from": (NOON - timedelta(days=20)).isoformat(), "to": (NOON + timedelta(days=1)).isoformat()}


async def get(client: httpx.AsyncClient, **parameters: Any) -> list[dict[str, Any]]:
    response = await client.get(PATH, params={**RANGE, **parameters})
    assert response.status_code == 200, response.text
    Performance.model_validate(response.json(), strict=False)
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def store_random(store: Store, order: MakeOrder, connection: asyncpg.Connection) -> list[dict[str, Any]]:
    chance = random.Random(3)
    found: list[dict[str, Any]] = []
    for number in range(400):
        hits = [rule for rule in RULES if chance.random() < 0.4]
        found.append(
            {
                "order_id": f"o{number}",
                "created_date": NOON - timedelta(hours=chance.randrange(24 * 30)),
                "ruleset_version": chance.choice(["v1", "v2"]),
                "amount": chance.randrange(10**6),
                "currency": chance.choice(["IDR", "SGD"]),
                "hits": {rule: chance.choice(["live", "shadow"]) for rule in hits},
                "labels": [
                    chance.choice(["fraud", "chargeback", "legitimate"]) for _ in range(chance.choice([0, 1, 2]))
                ],
            }
        )
    await store(
        *(
            order(
                each["order_id"], created_date=each["created_date"], ruleset_version=each["ruleset_version"],
                amount=each["amount"], currency=each["currency"], rule_ids=list(each["hits"]) or None,
                hits=json.dumps([{"rule": rule, "mode": mode} for rule, mode in each["hits"].items()]),
            )
            for each in found
        )
    )  # fmt: skip
    labels = [(each["order_id"], label) for each in found for label in each["labels"]]
    await connection.copy_records_to_table(
        "labels",
        records=[
            ("labels", 1, 0, offset, order_id, label, "bank", NOON, NOON)
            for offset, (order_id, label) in enumerate(labels)
        ],
        columns=["topic", "epoch", "partition", "offset", "order_id", "label", "source", "labelled_at", "appended_at"],
    )
    return found


def is_fraud(each: dict[str, Any]) -> bool:
    return bool(each["labels"]) and each["labels"][-1] != "legitimate"


async def test_figures_are_those_of_a_plain_computation(
    client: httpx.AsyncClient, connection: asyncpg.Connection, store: Store, order: MakeOrder
) -> None:
    stored = await store_random(store, order, connection)
    since = NOON - timedelta(days=20)
    stored = [each for each in stored if each["created_date"] >= since]
    items = await get(client, period="day")
    days = {(item["period"], item["rule"], item["ruleset_version"], item["mode"]): item for item in items}
    assert len(days) == len(items) > 50
    for (day, rule, version, mode), item in days.items():
        of_version = [
            each for each in stored
            if business_date(each["created_date"]).isoformat() == day and each["ruleset_version"] == version
        ]  # fmt: skip
        hit = [each for each in of_version if each["hits"].get(rule) == mode]
        fraud = [each for each in hit if is_fraud(each)]
        legitimate = [each for each in hit if each["labels"] and not is_fraud(each)]
        assert item["hits"]["orders"] == len(hit)
        for name, orders in (("hits", hit), ("fraud", fraud), ("legitimate", legitimate)):
            money = {
                currency: sum(each["amount"] for each in orders if each["currency"] == currency)
                for currency in {each["currency"] for each in orders}
            }
            assert item[name] == {"orders": len(orders), "money": money}
        precision = Proportion(len(fraud), len(fraud) + len(legitimate))
        low = None if precision.interval is None else precision.interval.low
        assert item["precision"]["low"] == low
        assert [item["precision"][name] for name in ("part", "whole", "value")] == [*precision, precision.value]
        assert (item["recall"]["part"], item["recall"]["whole"]) == (len(fraud), sum(map(is_fraud, of_version)))
    whole = await get(client)
    assert sum(item["hits"]["orders"] for item in whole) == sum(item["hits"]["orders"] for item in items)
    assert {item["period"] for item in whole} == {None}
    together = await get(client, by_version="false")
    assert {item["ruleset_version"] for item in together} == {None}
    for item in together:
        parts = [each for each in whole if (each["rule"], each["mode"]) == (item["rule"], item["mode"])]
        assert item["hits"]["orders"] == sum(each["hits"]["orders"] for each in parts)
        assert item["recall"]["whole"] == sum(map(is_fraud, stored))
    only = await get(client, rule="large-order")
    assert only == [item for item in whole if item["rule"] == "large-order"]


@pytest.mark.parametrize(
    ("period", "mature"),
    [(Period.DAY, [True, False]), (Period.WEEK, [False]), (Period.MONTH, [False]), (None, [False])],
)
def test_a_period_is_mature_when_the_labels_of_its_last_date_are_due(period: Period | None, mature: list[bool]) -> None:
    days = [date(2026, 11, 2), date(2026, 11, 3)][: len(mature)]
    groups = [HitGroup(day, "r", "v", "live", "IDR", None, 1, 5) for day in days]
    items = build_performance(groups, [], period=period, last=date(2026, 11, 30), due=date(2026, 11, 2))
    assert [item.mature for item in items] == mature
    assert [item.precision.value for item in items] == [None] * len(items)


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"from": "2026-01-01", "to": "2026-11-01"}, "from"),
        ({"from": (datetime.now(UTC) + timedelta(days=1)).isoformat()}, "from"),
        ({"period": "year"}, "period"),
        ({"label_days": "-1"}, "label_days"),
        ({"rule": "No Rule"}, "rule"),
    ],
)
async def test_parameters_at_fault_are_named(client: httpx.AsyncClient, parameters: dict[str, str], field: str) -> None:
    response = await client.get(PATH, params=parameters)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == field


async def test_overlaps_and_operating_points_are_those_of_a_plain_computation(
    client: httpx.AsyncClient, connection: asyncpg.Connection, store: Store, order: MakeOrder
) -> None:
    stored = await store_random(store, order, connection)
    scores = {each["order_id"]: number % 4 * 25 for number, each in enumerate(stored)}
    await connection.executemany("update orders set risk_score = $2 where order_id = $1", list(scores.items()))
    since = NOON - timedelta(days=20)
    stored = [each for each in stored if each["created_date"] >= since]
    response = await client.get("/v1/rules/overlaps", params=RANGE)
    found = Overlaps.model_validate(response.json(), strict=False)
    assert {each.rule: each.orders for each in found.rules} == {
        rule: sum(rule in each["hits"] for each in stored) for rule in RULES
    }
    (both,) = found.overlaps
    assert (both.rules, both.orders) == ([*RULES], sum(len(each["hits"]) == 2 for each in stored))
    response = await client.get("/v1/rules/operating-points", params=RANGE)
    points = OperatingPoints.model_validate(response.json(), strict=False)
    assert (points.days, points.orders) == (21, len(stored))
    assert [each.score for each in points.scores] == [0, 25, 50, 75]
    assert sum(each.fraud for each in points.scores) == sum(map(is_fraud, stored))
    for threshold in points.thresholds:
        flagged = [each for each in stored if scores[each["order_id"]] >= threshold.score]
        fraud = [each for each in flagged if is_fraud(each)]
        labelled = [each for each in flagged if each["labels"]]
        assert (threshold.orders, threshold.orders_per_day) == (len(flagged), round(len(flagged) / 21, 1))
        assert (threshold.precision.part, threshold.precision.whole) == (len(fraud), len(labelled))
        assert (threshold.recall.part, threshold.recall.whole) == (len(fraud), sum(map(is_fraud, stored)))
        assert sum(threshold.money.values()) == sum(each["amount"] for each in flagged)
        assert sum(threshold.fraud_money.values()) == sum(each["amount"] for each in fraud)
