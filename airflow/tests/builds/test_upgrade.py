"""A warehouse of the previous release becomes one of this release in one run, without losing a date."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from order_batch.app import open_pipeline
from order_batch.catalog import backfill
from order_batch.cli import app
from order_batch.loads.comparison import LifeState, OutdatedDates
from order_batch.pipeline import BatchPipeline
from order_batch.settings import BatchSettings
from order_batch.warehouse.partitions import business_dates
from order_batch.warehouse.port import WarehouseError
from order_contract.business_time import business_date_start
from tests.previous_release import FIRST, LAST, restore
from tests.test_load import raw

from .test_killed_runs import published

pytestmark = pytest.mark.usefixtures("without_data_tests")


@pytest.fixture
def old(settings: BatchSettings, connection: "psycopg.Connection[Any]", tmp_path: Path) -> BatchSettings:
    """Settings of a warehouse of the previous release, beside the orders that it was loaded from."""
    folder = tmp_path / "old"
    folder.mkdir()
    return settings.model_copy(update={"warehouse_path": restore(connection, folder)})


@pytest.fixture
def pipeline(old: BatchSettings) -> Iterator[BatchPipeline]:
    with open_pipeline(old) as pipeline:
        yield pipeline


def run(pipeline: BatchPipeline, *days: Any) -> list[dict[str, Any]]:
    """What `order-batch run` does, without filling the catalog; returns what it logged."""
    with capture_logs() as logs:
        pipeline.load_users(LAST)
        pipeline.load_products(LAST)
        for day in days:
            pipeline.load_orders(day)
        pipeline.build(days[0], days[-1]).require_success()
        pipeline.publish()
    return [dict(line) for line in logs]


def events(logs: list[dict[str, Any]]) -> list[str]:
    return [line["event"] for line in logs if line["event"] in {"rebuilding", "dropping_models"}]


def test_one_run_upgrades_it_and_loses_no_date(
    settings: BatchSettings, old: BatchSettings, connection: "psycopg.Connection[Any]", pipeline: BatchPipeline
) -> None:
    with open_pipeline(settings) as fresh:
        run(fresh, *business_dates(FIRST, LAST))
    expected = published(connection)
    with duckdb.connect(old.warehouse_path) as warehouse:
        warehouse.execute("create table gold.mart_gone as select 1 as one")
        warehouse.execute("insert into raw.model_versions values ('mart_gone', 'of the previous release')")
        warehouse.execute("create table gold.of_an_analyst as select 1 as one")
    # Postgres need not hold a date any more that the warehouse holds.
    connection.execute("delete from orders where (created_date at time zone 'Asia/Jakarta')::date = %s", [FIRST])

    logs = run(pipeline, LAST)

    assert published(connection) == expected
    rebuilding = next(line for line in logs if line["event"] == "rebuilding")
    assert "fct_orders" in rebuilding["models"]
    assert rebuilding["because"] == ["its version is not recorded"]
    dropping = next(line for line in logs if line["event"] == "dropping_models")
    assert "gold.mart_gone" in dropping["models"]
    names = {name for (name,) in raw(old, "select table_name from information_schema.tables")}
    assert "of_an_analyst" in names
    assert "mart_gone" not in names

    assert events(run(pipeline, LAST)) == []
    assert published(connection) == expected


def test_the_command_loads_what_an_earlier_release_has_loaded(
    old: BatchSettings,
    connection: "psycopg.Connection[Any]",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Unless Postgres holds less of it by now: then the warehouse keeps its rows, and `reconcile` reports the date."""
    monkeypatch.setenv("ORDERWATCH_WAREHOUSE_PATH", str(old.warehouse_path))
    # A world of three days: filling years of a catalog takes half a minute.
    monkeypatch.setattr(backfill, "BEGINNING", business_date_start(FIRST))
    middle = FIRST + timedelta(days=1)
    connection.execute("update orders set features = '{\"hour\": 7}'")
    connection.execute(
        "delete from orders where order_id = (select order_id from orders where created_date < %s limit 1)",
        [business_date_start(middle)],
    )
    first_orders = f"select order_id, amount from raw.orders where business_date = '{FIRST}' order by order_id"
    before = raw(old, first_orders)

    result = CliRunner().invoke(app, ["run", str(LAST)])

    assert result.exit_code == 0, result.output
    assert f"Postgres lacks some of their rows now: {FIRST}. `reconcile` names them" in " ".join(result.stderr.split())
    assert "1 more dates were loaded by an earlier release" in result.stderr
    assert f"{middle} to {LAST}: the warehouse and the marts hold what Postgres holds" in result.stderr
    assert raw(old, first_orders) == before
    features = "select business_date, count(features), count(*) from raw.orders group by 1 order by 1"
    assert [tuple(row) for row in raw(old, features)] == [(FIRST, 0, 80), (middle, 80, 80), (LAST, 80, 80)]
    result = CliRunner().invoke(app, ["reconcile", f"{FIRST}..{LAST}"])
    assert result.exit_code == 1
    assert f"No repair loads {FIRST}, as Postgres lacks some of the rows" in " ".join(result.stderr.split())
    assert "--repair" not in result.stderr
    with open_pipeline(old) as pipeline:
        found = [each for each in pipeline.compare(FIRST, LAST) if not each.is_clean]
        assert {(each.partition.start, each.state) for each in found} == {(FIRST, LifeState.KEPT)}
        # It is decided: no run looks at it again, and no repair loses what Postgres lacks.
        assert pipeline.take_over(LAST) == OutdatedDates(frozenset(), frozenset())
        done = pipeline.repair(FIRST, LAST, pipeline.compare(FIRST, LAST))
        assert (done.loaded, {each.state for each in done.remaining}) == ([], {LifeState.KEPT})
        assert raw(old, first_orders) == before
        pipeline.load_orders(FIRST)
        assert LifeState.KEPT not in {each.state for each in pipeline.compare(FIRST, LAST)}


def test_a_date_that_the_raw_tables_lost_is_not_dropped_silently(old: BatchSettings, pipeline: BatchPipeline) -> None:
    with duckdb.connect(old.warehouse_path) as warehouse:
        warehouse.execute("delete from raw.orders where business_date = $1", [FIRST])
        before = warehouse.execute("select * from silver.fct_orders order by order_id").fetchall()
    with pytest.raises(WarehouseError, match=f"no longer holds {FIRST}, and rebuilding would drop"):
        run(pipeline, LAST)
    assert raw(old, "select * from silver.fct_orders order by order_id") == before
