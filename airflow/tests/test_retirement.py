"""`order-batch retire`: what the warehouse holds leaves Postgres, and stays in the warehouse whatever runs next."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import duckdb
import psycopg
import pytest
import structlog
from typer.testing import CliRunner, Result

from order_batch.app import open_pipeline
from order_batch.cli import app
from order_batch.loads.loader import ORDER_TABLES
from order_batch.loads.retirement import RetirementError
from order_batch.pipeline import BatchPipeline
from order_batch.publish.published_partitions import replace_published_partitions
from order_batch.settings import BatchSettings
from order_batch.warehouse.content_hash import DUCKDB
from order_batch.warehouse.port import BuiltPartition

from .conftest import StoreOrders
from .test_load import DAYS, FIRST, LAST, raw

BOUNDARY = FIRST + timedelta(days=2)


@pytest.fixture
def pipeline(
    settings: BatchSettings, connection: "psycopg.Connection[Any]", store_orders: StoreOrders
) -> Iterator[BatchPipeline]:
    """Three dates, stored, loaded, built and published."""
    store_orders(FIRST, 3, 600)
    with open_pipeline(settings) as pipeline:
        for day in DAYS:
            pipeline.load_orders(day)
        record_as_built(settings)
        record_as_published(settings, connection)
        yield pipeline


def record_as_built(settings: BatchSettings) -> None:
    """Let the warehouse say that all it holds of orders is built: what is tested here needs no marts."""
    with duckdb.connect(str(settings.warehouse_path)) as warehouse:
        warehouse.execute("create schema if not exists silver")
        warehouse.execute("drop table if exists silver.built_contents")
        selects = (
            f"select '{table.name}' as table_name, business_date as partition_start, count(*) as total_rows, "
            f"{f'sum({table.amount})' if table.amount else 'null'} as amount, "
            f"{DUCKDB.content_hash(table)} as content_hash, true as is_complete from raw.{table.name} group by all"
            for table in ORDER_TABLES
        )
        warehouse.execute(f"create table silver.built_contents as {' union all by name '.join(selects)}")


def record_as_published(settings: BatchSettings, connection: "psycopg.Connection[Any]") -> None:
    """Let Postgres say that what was built is published."""
    built = raw(settings, "select table_name, partition_start, total_rows, content_hash from silver.built_contents")
    replace_published_partitions(connection, [BuiltPartition(*row) for row in built])


def retire(*options: str) -> Result:
    """`order-batch retire --before BOUNDARY`."""
    before = () if "--before" in options else ("--before", str(BOUNDARY))
    return command("retire", *before, *options)


def command(*arguments: str) -> Result:
    """A command of `order-batch`; its logging ends with the runner's streams."""
    result = CliRunner().invoke(app, list(arguments))
    structlog.reset_defaults()
    return result


def in_postgres(connection: "psycopg.Connection[Any]") -> dict[date, int]:
    return dict(
        connection.execute(
            "select (created_date at time zone 'Asia/Jakarta')::date, count(*) from orders group by 1 order by 1"
        ).fetchall()
    )


def loaded(settings: BatchSettings) -> list[tuple[Any, ...]]:
    return raw(settings, "select * from raw.orders order by order_id") + raw(
        settings, "select * from raw.rule_hits order by order_id, rule"
    )


def test_retired_orders_stay_in_the_warehouse_whatever_runs_afterwards(
    settings: BatchSettings, connection: "psycopg.Connection[Any]", pipeline: BatchPipeline
) -> None:
    before, counts = loaded(settings), in_postgres(connection)
    result = retire("--dry-run")
    assert (result.exit_code, in_postgres(connection)) == (0, counts), result.output
    gone = counts[DAYS[0]] + counts[DAYS[1]]
    assert f"{gone:,} orders of 2 dates before {BOUNDARY}" in result.stdout

    result = retire()
    assert (result.exit_code, in_postgres(connection)) == (2, counts)
    assert "--yes" in result.stderr
    result = retire("--yes")
    assert result.exit_code == 0, result.output
    assert f"removed {gone:,} orders" in result.stdout
    assert in_postgres(connection) == {LAST: counts[LAST]}
    assert connection.execute("select sum(next_offset - first_offset) from retired_offsets").fetchone() == (gone,)

    assert [each.partition.start for each in pipeline.compare(FIRST, LAST)] == [LAST, LAST]
    result = command("reconcile", f"{DAYS[0]}..{DAYS[1]}")
    assert result.exit_code == 1
    assert "all these dates are retired: no orders were compared" in result.stderr
    result = command("reconcile", f"{DAYS[1]}..{LAST + timedelta(days=1)}")
    assert result.exit_code == 0, result.output
    assert f"retired, so not loaded and not compared: {DAYS[1]}" in result.stderr
    assert f"without orders: {LAST + timedelta(days=1)}" in result.stderr
    for day in DAYS:
        pipeline.load_orders(day)
    assert loaded(settings) == before
    result = retire("--yes")
    assert "removed 0 orders" in result.stdout


def test_what_was_interrupted_is_finished_by_a_repeat(
    connection: "psycopg.Connection[Any]", pipeline: BatchPipeline
) -> None:
    counts = in_postgres(connection)
    retirement = pipeline.retirement()
    retirement.freeze(BOUNDARY)
    assert next(retirement.remove(batch=7)) == 7
    result = retire("--yes")
    assert f"removed {counts[DAYS[0]] + counts[DAYS[1]] - 7:,} orders" in result.stdout
    assert in_postgres(connection) == {LAST: counts[LAST]}


def test_dates_that_do_not_agree_are_named_and_nothing_is_removed(
    connection: "psycopg.Connection[Any]", pipeline: BatchPipeline
) -> None:
    connection.execute(
        "update orders set email = 'changed' where order_id in "
        "(select order_id from orders where (created_date at time zone 'Asia/Jakarta')::date = %s limit 1)",
        [DAYS[1]],
    )
    counts = in_postgres(connection)
    result = retire("--yes")
    assert result.exit_code == 1
    assert f"of {DAYS[1]}: nothing was removed" in result.stderr
    assert "--repair" in result.stderr
    assert in_postgres(connection) == counts
    assert connection.execute("select count(*) from retention").fetchone() == (0,)


@pytest.mark.parametrize("last_stage", ["load", "build"])
def test_a_date_that_is_not_in_the_marts_is_not_retired(
    connection: "psycopg.Connection[Any]", pipeline: BatchPipeline, settings: BatchSettings, last_stage: str
) -> None:
    if last_stage == "load":
        with duckdb.connect(str(settings.warehouse_path)) as warehouse:
            warehouse.execute("delete from silver.built_contents where partition_start = $1", [DAYS[1]])
    connection.execute("delete from published_partitions where partition_start = %s", [DAYS[1]])
    result = retire("--yes")
    assert result.exit_code == 1
    assert f"of {DAYS[1]}: nothing was removed" in result.stderr.replace("\n", " ")
    assert connection.execute("select count(*) from retention").fetchone() == (0,)


def test_an_order_that_comes_while_it_is_asked_stops_it(
    connection: "psycopg.Connection[Any]", pipeline: BatchPipeline
) -> None:
    retirement = pipeline.retirement()
    retirement.plan(BOUNDARY)
    connection.execute("update orders set amount = amount + 1 where order_id = (select min(order_id) from orders)")
    connection.execute(
        "update orders set created_date = %s where order_id = (select min(order_id) from orders)", [FIRST]
    )
    with pytest.raises(RetirementError, match="nothing was removed"):
        retirement.freeze(BOUNDARY)
    assert list(retirement.remove()) == []


def test_orders_that_are_not_committed_are_not_removed(
    connection: "psycopg.Connection[Any]", pipeline: BatchPipeline
) -> None:
    connection.execute("insert into topic_epochs (topic, epoch) values ('orders', 1) on conflict do nothing")
    connection.execute(
        "insert into group_positions (consumer_group, topic, epoch, partition, next_offset) "
        "values ('fraud-detector', 'orders', 1, 0, 100)"
    )
    with pytest.raises(RetirementError, match="no detector has committed"):
        pipeline.retirement().plan(BOUNDARY)


@pytest.mark.parametrize(
    ("text", "told"),
    [("2999-01-01", "is not a date between"), ("tomorrow", "is not a date"), ("2100-01-01", "in the future")],
)
def test_an_invalid_date_is_refused(settings: BatchSettings, text: str, told: str) -> None:
    result = retire("--before", text)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())
