"""What changes stored orders: `order-batch retire` and `erase-user`, refused to the batch side's role alone."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow.tests.preloaded_dbt import preload_dbt
from order_contract.business_time import business_date
from order_platform.postgres.roles import DatabaseRole
from tests.database_roles.conftest import Prepared
from tests.support.past_orders import store_past_orders

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
ORDERS = 40
# `order-batch` as its user runs it, in a world that is four days old: filling two years of a catalog takes long.
ORDER_BATCH = """
from datetime import UTC, datetime, timedelta
from order_platform.command_line.run import run_command
def load():
    from order_batch.catalog import backfill
    from order_batch.cli import app
    backfill.BEGINNING = datetime.now(UTC) - timedelta(days=4)
    return app
run_command("order-batch", load)
"""


@pytest.fixture
def dbt_project(tmp_path: Path) -> Iterator[Path]:
    """A copy of the dbt project whose `dbt` starts at once: what is tested is what the database allows."""
    dbt, copy = ROOT / "dbt", tmp_path / "dbt"
    shutil.copytree(dbt, copy, ignore=shutil.ignore_patterns(".venv", "target", "logs", "tests_python", "__pycache__"))
    with preload_dbt(dbt, copy):
        yield copy


def test_orders_are_retired_and_users_erased_as_the_owner_alone(
    earlier_release: Callable[[], Prepared], dbt_project: Path, tmp_path: Path
) -> None:
    prepared = earlier_release()
    asyncio.run(prepared.prepare())
    second = business_date(datetime.now(UTC)) - timedelta(days=1)
    first = second - timedelta(days=1)
    asyncio.run(store_past_orders(prepared.url(DatabaseRole.MIGRATOR), first, 2, ORDERS))

    def order_batch(*arguments: str, owner: bool) -> "subprocess.CompletedProcess[str]":
        owners = {"ORDERWATCH_OWNER_DATABASE_URL": prepared.url(DatabaseRole.MIGRATOR)} if owner else {}
        return subprocess.run(
            [ROOT / "airflow" / ".venv" / "bin" / "python", "-c", ORDER_BATCH, *arguments],
            env={
                **os.environ, **owners, "ORDERWATCH_DATABASE_URL": prepared.url(DatabaseRole.BATCH),
                "ORDERWATCH_WAREHOUSE_PATH": str(tmp_path / "warehouse.duckdb"),
                "ORDERWATCH_STAGING": str(tmp_path / "staging"), "ORDERWATCH_DBT_PROJECT": str(dbt_project),
                "DBT_LOG_LEVEL_FILE": "none", "MODELS_ONLY": "1",  # tests of the data ask the warehouse alone
            },
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=500,
        )  # fmt: skip

    async def stored() -> tuple[int, str]:
        async with prepared.connected(DatabaseRole.READER) as reader:
            count, user = await reader.fetchrow("select count(*), max(user_id) from orders")  # type: ignore[misc]
            return count, user

    done = order_batch("run", f"{first}..{second}", owner=False)
    assert done.returncode == 0, done.stderr
    before, user = asyncio.run(stored())

    async def label() -> None:
        async with prepared.connected(DatabaseRole.DETECTOR) as detector:
            await detector.execute(
                """
                insert into labels (
                    topic, epoch, partition, "offset", order_id, label, source, labelled_at, note, appended_at
                )
                select 'labels', 1, 0, row_number() over (), order_id, 'fraud', 'test', now(), user_id, now()
                from orders
                """
            )

    async def notes() -> int:
        async with prepared.connected(DatabaseRole.READER) as reader:
            return int(await reader.fetchval("select count(*) from labels where note = $1", user))

    asyncio.run(label())
    assert asyncio.run(notes()) > 0
    for command in (["retire", "--before", f"{second}", "--yes"], ["erase-user", user, "--yes"]):
        refused = order_batch(*command, owner=False)
        assert (refused.returncode, "ORDERWATCH_OWNER_DATABASE_URL" in refused.stderr) == (2, True), refused.stderr
        assert "Traceback" not in refused.stderr
    assert asyncio.run(stored()) == (before, user)

    retired = order_batch("retire", "--before", f"{second}", "--yes", owner=True)
    assert retired.returncode == 0, retired.stderr
    left, _ = asyncio.run(stored())
    assert 0 < left < before
    assert f"removed {before - left:,} orders" in retired.stdout
    erased = order_batch("erase-user", user, "--yes", owner=True)
    assert erased.returncode == 0, erased.stderr
    assert asyncio.run(notes()) == 0
    count, newest = asyncio.run(stored())
    assert count == left
    assert newest != user
    agrees = order_batch("reconcile", owner=False)
    assert agrees.returncode == 0, agrees.stderr
