"""Permissions: the documented roles suffice, and what is missing is named before anything is loaded."""

from pathlib import Path

import pytest

from order_batch.warehouse.bigquery.warehouse import DATASETS, BigQueryWarehouse
from order_batch.warehouse.partitions import Totals
from order_batch.warehouse.port import WarehouseError
from order_batch.warehouse.tables import ORDERS
from tests.bigquery.warehouse import connected
from tests.fake_bigquery.faults import refused
from tests.fake_bigquery.permissions import Grants
from tests.fake_bigquery.server import FakeBigQuery
from tests.staged import NOVEMBER_21, make_rows, partition, stage, totals

EDITOR = ("BigQuery Data Editor",)


def _use(warehouse: BigQueryWarehouse, folder: Path) -> None:
    """Every call that the batch side makes."""
    warehouse.prepare()
    rows = make_rows(ORDERS, NOVEMBER_21, 3)
    warehouse.load(ORDERS, partition(ORDERS), stage(ORDERS, folder, rows), totals(ORDERS, rows))
    assert len(warehouse.orders(NOVEMBER_21, [row["order_id"] for row in rows])) == 3
    with warehouse.gold("mart") as relation:
        assert list(relation.rows()) == [(1,)]
    warehouse.load(ORDERS, partition(ORDERS), [], Totals(0, 0, 0))


def _make_mart(fake: FakeBigQuery) -> None:
    reference = {"projectId": fake.project, "datasetId": "orderwatch_gold", "tableId": "mart"}
    field = {"name": "n", "type": "INT64"}
    fake.storage.insert_table("orderwatch_gold", {"tableReference": reference, "schema": {"fields": [field]}})
    fake.storage.table("orderwatch_gold", "mart").rows = [{"n": 1}]


@pytest.mark.parametrize(
    ("grants", "made_before"),
    [
        (Grants.of("BigQuery User", "BigQuery Data Editor"), False),
        (Grants.of("BigQuery User", "BigQuery Data Editor"), True),
        (Grants.of("BigQuery User"), False),
        (Grants.of("BigQuery User", on_datasets={f"orderwatch_{name}": EDITOR for name in DATASETS}), True),
    ],
    ids=["both", "both, datasets of others", "user, own datasets", "editor of the datasets alone"],
)
def test_the_documented_roles_suffice(fake: FakeBigQuery, tmp_path: Path, grants: Grants, made_before: bool) -> None:
    if made_before:
        with connected(fake) as warehouse:
            warehouse.prepare()
    fake.grants = grants
    with connected(fake) as warehouse:
        warehouse.prepare()
        _make_mart(fake)
        _use(warehouse, tmp_path)


@pytest.mark.parametrize(
    ("grants", "named"),
    [
        (
            Grants.of("BigQuery Job User", "BigQuery Data Editor"),
            r"lacks bigquery\.jobs\.list, .* in project test-project: give it the role BigQuery User \(roles/",
        ),
        (Grants.of(), r"lacks bigquery\.jobs\.create, bigquery\.jobs\.list, bigquery\.readsessions\.create, .* in"),
        (
            Grants.of("BigQuery User"),
            r"lacks bigquery\.tables\.getData, .* in dataset orderwatch_raw, .* BigQuery Data Editor .* on",
        ),
    ],
    ids=["job user", "no role", "datasets of others"],
)
def test_what_is_missing_is_named_with_the_role(fake: FakeBigQuery, grants: Grants, named: str) -> None:
    with connected(fake) as warehouse:
        warehouse.prepare()
    # Tables can be seen, so that what is missing is found by the check itself.
    grants.on_datasets = {f"orderwatch_{name}": {"bigquery.datasets.get", "bigquery.tables.get"} for name in DATASETS}
    fake.grants = grants
    with connected(fake) as warehouse, pytest.raises(WarehouseError, match=named):
        warehouse.prepare()


def test_the_permission_to_create_datasets_is_named(fake: FakeBigQuery) -> None:
    fake.grants.in_project -= {"bigquery.datasets.create"}
    with connected(fake) as warehouse, pytest.raises(WarehouseError, match=r"lacks bigquery\.datasets\.create"):
        warehouse.prepare()
    assert fake.storage.datasets == {}


@pytest.mark.parametrize("status", [403, 404, 503])
def test_where_permissions_cannot_be_asked_for_the_call_that_needs_one_says_so(
    fake: FakeBigQuery, tmp_path: Path, status: int
) -> None:
    fake.grants = Grants.of("BigQuery Job User", "BigQuery Data Editor")
    disabled = refused(status, "accessNotConfigured", "Cloud Resource Manager API has not been used in this project")
    fake.faults.plan("cloudresourcemanager.projects.testIamPermissions", *[disabled] * 5)
    with connected(fake) as warehouse:
        warehouse.prepare()
        rows = make_rows(ORDERS, NOVEMBER_21, 3)
        with pytest.raises(WarehouseError, match=r"bigquery\.jobs\.list permission\. Give .* BigQuery User and"):
            warehouse.load(ORDERS, partition(ORDERS), stage(ORDERS, tmp_path, rows), totals(ORDERS, rows))
