"""Labels: the published mart of rules' performance says what the API says; later labels and reasons are loaded, too."""

import subprocess
from datetime import date, timedelta
from typing import Any

import duckdb
import orjson
import psycopg
import pytest

from order_batch.app import open_pipeline
from order_batch.loads.comparison import LifeState
from order_batch.pipeline import BatchPipeline
from order_batch.settings import BatchSettings
from tests.conftest import ROOT, SERVICES_PYTHON, StoreOrders
from tests.test_load import raw

pytestmark = pytest.mark.usefixtures("without_data_tests")

FIRST, LAST = date(2026, 11, 18), date(2026, 11, 19)
LABELLED = LAST + timedelta(days=2)


def test_the_mart_says_what_the_api_says(
    settings: BatchSettings, connection: "psycopg.Connection[Any]", store_orders: StoreOrders, database_url: str
) -> None:
    store_orders(FIRST, 2, 400)
    label(connection, "fraud", LAST, "status = 'fraud' and mod(hashtext(order_id), 3) = 0")
    label(connection, "chargeback", LAST, "mod(hashtext(order_id), 40) = 1")
    label(connection, "legitimate", LAST, "status = 'fraud' and mod(hashtext(order_id), 3) = 1")
    connection.execute("update orders set currency = 'USD' where mod(hashtext(order_id), 7) = 0")
    with open_pipeline(settings) as pipeline:
        run(pipeline, FIRST, LAST)
        before = published(connection)
        assert before == expected(database_url)
        # Others change their mind on another date.
        label(connection, "legitimate", LABELLED, "status = 'fraud' and mod(hashtext(order_id), 6) = 0")
        states = [each.state for each in pipeline.compare(LABELLED, LABELLED) if each.partition.start == LABELLED]
        assert states == [LifeState.NOT_LOADED]
        run(pipeline, LABELLED, LABELLED)
        assert before != published(connection) == expected(database_url)
        assert all(each.is_clean for each in pipeline.compare(FIRST, LABELLED))
        assert pipeline.differing_marts() == []
    stored = connection.execute("select order_id, label, reason from labels").fetchall()
    assert {reason for _, _, reason in stored} == {"stolen-card", "false-alarm", None}
    assert sorted(raw(settings, "select order_id, label, reason from silver.fct_labels"), key=repr) == sorted(
        stored, key=repr
    )
    # A release that did not know reasons has loaded them.
    with duckdb.connect(settings.warehouse_path) as warehouse:
        warehouse.execute("alter table raw.labels drop column reason")
    connection.execute("update warehouse_loads set columns = columns - 1 where table_name = 'labels'")
    with open_pipeline(settings) as pipeline:
        outdated = pipeline.take_over(LABELLED).to_load
        assert outdated == {FIRST, LAST, LABELLED}
        for day in outdated:
            pipeline.load_orders(day)
    assert sorted(raw(settings, "select order_id, label, reason from raw.labels"), key=repr) == sorted(stored, key=repr)


def run(pipeline: BatchPipeline, first: date, last: date) -> None:
    """Load, build and publish dates."""
    for day in (first, last):
        pipeline.load_orders(day)
    pipeline.build(first, last).require_success()
    pipeline.publish()


def label(connection: "psycopg.Connection[Any]", name: str, day: date, which: str) -> None:
    """Label some orders at noon of a date, after all labels that are there."""
    connection.execute(
        f"""
        insert into labels (topic, epoch, partition, "offset", order_id, label, source, labelled_at, appended_at,
            reason)
        select 'labels', 1, 0, (select count(*) from labels) + row_number() over (), order_id, %(label)s,
            'test', at, at, %(reason)s
        from orders
        cross join (select (%(day)s::timestamp + interval '12 hours') at time zone 'Asia/Jakarta' as at) as noon
        where {which}
        """,
        {"label": name, "day": day, "reason": {"fraud": "stolen-card", "legitimate": "false-alarm"}.get(name)},
    )


def expected(database_url: str) -> list[dict[str, Any]]:
    """What the API says, with money in rupiah."""
    command = [str(SERVICES_PYTHON), "-m", "tests.support.rule_performance", database_url, str(FIRST), str(LAST)]
    items = orjson.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    assert items
    rows = [
        {
            "business_date": item["period"], "rule": item["rule"], "ruleset_version": item["ruleset_version"],
            "mode": item["mode"], "is_mature": item["mature"],
            "hits": item["hits"]["orders"], "hit_amount": item["hits"]["money"].get("IDR", 0),
            "fraud_hits": item["fraud"]["orders"], "fraud_amount": item["fraud"]["money"].get("IDR", 0),
            "legitimate_hits": item["legitimate"]["orders"],
            "legitimate_amount": item["legitimate"]["money"].get("IDR", 0),
            "labelled_hits": item["precision"]["whole"], "all_fraud": item["recall"]["whole"],
            **{f"{name}{bound}": item[name][member]
               for name in ("precision", "recall")
               for bound, member in (("", "value"), ("_low", "low"), ("_high", "high"))},
        }
        for item in items
    ]  # fmt: skip
    return arranged(rows)


def published(connection: "psycopg.Connection[Any]") -> list[dict[str, Any]]:
    """The rows of the published mart."""
    found = connection.execute("select * from marts.mart_rule_performance")
    names = [column.name for column in found.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in found]
    return arranged(
        [
            {
                name: str(value) if name == "business_date" else value
                for name, value in row.items()
                if name != "position"
            }
            for row in rows
        ]
    )


def arranged(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """In one order, proportions to nine digits."""
    rounded = [
        {name: round(value, 9) if isinstance(value, float) else value for name, value in sorted(row.items())}
        for row in rows
    ]
    return sorted(rounded, key=lambda row: (row["business_date"], row["rule"], row["mode"]))
