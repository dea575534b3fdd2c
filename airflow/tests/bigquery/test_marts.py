"""Marts: tables are listed free of charge, views are queried within the limit, and what Postgres lacks is named."""

from typing import Any

import pytest
from google.cloud.bigquery import Client

from order_batch.warehouse.bigquery.warehouse import BigQueryWarehouse
from order_batch.warehouse.port import WarehouseError, WarehouseUnavailableError
from tests.bigquery.warehouse import settings
from tests.fake_bigquery.faults import refused
from tests.fake_bigquery.server import FakeBigQuery


def _make(fake: FakeBigQuery, field: dict[str, Any], *values: Any, kind: str = "TABLE") -> None:
    reference = {"projectId": fake.project, "datasetId": "orderwatch_gold", "tableId": "mart"}
    fake.storage.insert_table("orderwatch_gold", {"tableReference": reference, "schema": {"fields": [field]}})
    table = fake.storage.table("orderwatch_gold", "mart")
    table.resource["type"] = kind
    table.rows = [{field["name"]: value} for value in values]


def test_a_table_is_read_page_by_page_without_a_query(fake: FakeBigQuery, warehouse: BigQueryWarehouse) -> None:
    _make(fake, {"name": "n", "type": "INT64"}, *range(5))
    fake.calls.page_size = 2
    fake.faults.plan("tabledata.list", refused(503, "backendError"))
    with warehouse.gold("mart") as relation:
        assert list(relation.rows()) == [(0,), (1,), (2,), (3,), (4,)]
    assert len(fake.made("tabledata.list")) == 3
    assert not fake.made("jobs.query")


def test_a_view_is_queried_within_the_limit(fake: FakeBigQuery, client: Client, warehouse: BigQueryWarehouse) -> None:
    _make(fake, {"name": "n", "type": "INT64"}, *range(5), kind="VIEW")
    fake.calls.page_size = 2
    with warehouse.gold("mart") as relation:
        assert list(relation.rows()) == [(0,), (1,), (2,), (3,), (4,)]
    (request,) = fake.made("jobs.query")
    assert request.body["query"] == "SELECT * FROM `test-project.orderwatch_gold.mart`"
    assert request.body["labels"] == {"app": "orderwatch", "table": "mart"}
    cheap = BigQueryWarehouse(settings(maximum_bytes_billed=1), client)
    with cheap.gold("mart") as relation, pytest.raises(WarehouseError, match="_MAXIMUM_BYTES_BILLED"):
        list(relation.rows())


ORDERED = {"order_by": ["n"], "limit": 8}


def _make_long(fake: FakeBigQuery) -> None:
    """A mart whose rows do not fit into one response."""
    _make(fake, {"name": "n", "type": "INT64"}, 6, 3, 9, 1, 8, 5, 7, 2, 4)
    fake.calls.page_size = 2


def _read(warehouse: BigQueryWarehouse, **clauses: Any) -> list[int]:
    with warehouse.gold("mart", **clauses) as relation:
        return [n for batch in relation.batches() for n in batch.column("n").to_pylist()]


def test_large_results_are_read_in_their_order_over_the_storage_read_api(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse
) -> None:
    _make_long(fake)
    assert _read(warehouse, **ORDERED) == [1, 2, 3, 4, 5, 6, 7, 8]
    (session,) = fake.reads.sessions
    assert len(session.streams) == 1
    assert not fake.made("jobs.getQueryResults")


def test_large_tables_are_read_over_the_storage_read_api_without_a_query(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse
) -> None:
    _make_long(fake)
    assert sorted(_read(warehouse)) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert len(fake.reads.sessions) == 1
    assert not fake.made("jobs.query")


def test_small_results_come_with_the_response(fake: FakeBigQuery, warehouse: BigQueryWarehouse) -> None:
    _make_long(fake)
    assert _read(warehouse, order_by=["n"], limit=2) == [1, 2]
    assert fake.reads.sessions == []


def test_a_stream_that_breaks_off_is_resumed_where_it_was(fake: FakeBigQuery, warehouse: BigQueryWarehouse) -> None:
    _make_long(fake)
    fake.reads.cut_off_after = 5
    assert _read(warehouse, **ORDERED) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert fake.reads.cut_off_after is None


def test_a_read_session_that_is_refused_names_the_roles(fake: FakeBigQuery, warehouse: BigQueryWarehouse) -> None:
    _make_long(fake)
    fake.grants.in_project -= {"bigquery.readsessions.create"}
    with pytest.raises(WarehouseError, match=r"orderwatch_gold\.mart: .*readsessions\.create.* BigQuery User and"):
        _read(warehouse, **ORDERED)


def test_a_mart_that_cannot_be_read_is_named(fake: FakeBigQuery, warehouse: BigQueryWarehouse) -> None:
    _make(fake, {"name": "n", "type": "INT64"}, 1)
    fake.faults.plan("tabledata.list", refused(403, "quotaExceeded"))
    with warehouse.gold("mart") as relation, pytest.raises(WarehouseUnavailableError, match=r"orderwatch_gold\.mart"):
        list(relation.rows())


@pytest.mark.parametrize(
    "field",
    [{"name": "colours", "type": "STRING", "mode": "REPEATED"}, {"name": "colours", "type": "RECORD", "fields": []}],
    ids=["array", "record"],
)
def test_a_column_that_postgres_has_no_type_for_is_named(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse, field: dict[str, Any]
) -> None:
    _make(fake, field)
    with warehouse.gold("mart") as relation, pytest.raises(WarehouseError, match=r"colours is .*no counterpart"):
        _ = relation.columns
