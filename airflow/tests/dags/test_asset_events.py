"""Events of `warehouse_load`'s assets, and the runs of `transform` that they start."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from order_batch.catalog import backfill
from order_contract.business_time import business_date

if TYPE_CHECKING:
    import psycopg
    from airflow.dag_processing.dagbag import DagBag

    from tests.conftest import StoreOrders
    from tests.dags.conftest import Repeat, RunDag

DAY = date(2026, 11, 17)


@pytest.fixture(autouse=True)
def _young_world_without_events(synced_bag: "DagBag", monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A catalog that begins a day before, and no events of other tests."""
    from airflow.models.asset import AssetEvent, AssetPartitionDagRun, PartitionedAssetKeyLog  # noqa: PLC0415
    from airflow.utils.session import create_session  # noqa: PLC0415
    from sqlalchemy import delete  # noqa: PLC0415

    monkeypatch.setattr(backfill, "BEGINNING", datetime(2026, 11, 16, 17, tzinfo=UTC))
    yield
    with create_session() as session:
        for model in (PartitionedAssetKeyLog, AssetPartitionDagRun, AssetEvent):
            session.execute(delete(model))


def test_a_load_starts_one_build_and_says_what_it_loaded(
    run_dag: "RunDag", store_orders: "StoreOrders", connection: "psycopg.Connection[Any]"
) -> None:
    store_orders(DAY, 1, 200)
    amounts = connection.execute("select sum(amount)::bigint from orders").fetchone()
    assert set(run_dag("warehouse_load", day=DAY).values()) == {"success"}
    assert builds() == [str(DAY)]
    found = events()
    assert {(name, key) for name, key, _ in found} == {
        ("raw orders", str(DAY)), ("raw users", str(DAY)), ("raw products", str(DAY)),
    }  # fmt: skip
    (orders,) = (extra for name, _, extra in found if name == "raw orders")
    assert orders["orders"] == 200
    assert (orders["orders_amount"],) == amounts
    assert orders["business_date"] == str(DAY)


def test_a_run_without_a_partition_key_builds_yesterday(run_dag: "RunDag") -> None:
    yesterday = business_date(datetime.now(UTC)) - timedelta(days=1)
    assert set(run_dag("warehouse_load").values()) == {"success"}
    assert builds() == [str(yesterday)]


@pytest.mark.parametrize("task_id", ["load_users", "load_products", "load_orders"])
def test_each_load_that_is_cleared_alone_starts_a_build(run_dag: "RunDag", repeat: "Repeat", task_id: str) -> None:
    run_dag("warehouse_load", day=DAY)
    assert builds() == [str(DAY)]
    consume_builds()
    assert repeat("warehouse_load", task_id) == "success"
    assert builds() == [str(DAY)]


def test_a_date_that_is_not_over_loads_nothing(run_dag: "RunDag") -> None:
    states = run_dag("warehouse_load", day=business_date(datetime.now(UTC)))
    assert states["fill_catalog"] == "failed"
    assert "success" not in states.values()
    assert builds() == []


def builds() -> list[str]:
    """Business dates for which the scheduler is about to start `transform`."""
    from airflow.models.asset import AssetPartitionDagRun  # noqa: PLC0415
    from airflow.utils.session import create_session  # noqa: PLC0415
    from sqlalchemy import select  # noqa: PLC0415

    with create_session() as session:
        pending = select(AssetPartitionDagRun.partition_key).filter_by(target_dag_id="transform")
        return list(session.scalars(pending.where(AssetPartitionDagRun.created_dag_run_id.is_(None))))


def consume_builds() -> None:
    """What the scheduler does with the builds that it starts."""
    from airflow.models.asset import AssetPartitionDagRun  # noqa: PLC0415
    from airflow.utils.session import create_session  # noqa: PLC0415
    from sqlalchemy import update  # noqa: PLC0415

    with create_session() as session:
        session.execute(update(AssetPartitionDagRun).values(created_dag_run_id=1))


def events() -> list[tuple[str, str | None, dict[str, Any]]]:
    """Asset, partition and extra of each event."""
    from airflow.models.asset import AssetEvent, AssetModel  # noqa: PLC0415
    from airflow.utils.session import create_session  # noqa: PLC0415
    from sqlalchemy import select  # noqa: PLC0415

    with create_session() as session:
        joined = select(AssetModel.name, AssetEvent.partition_key, AssetEvent.extra).join(
            AssetEvent, AssetEvent.asset_id == AssetModel.id
        )
        return [(name, key, extra) for name, key, extra in session.execute(joined)]
