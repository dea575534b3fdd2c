"""What the batch side writes is for its user alone, whatever the umask: it holds customers' data."""

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from order_batch.app import open_pipeline
from order_batch.extract.staging import staging_folder
from order_batch.settings import BatchSettings

from .conftest import StoreOrders

DAY = date(2026, 11, 20)


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_warehouse_and_staging_are_closed_to_others(settings: BatchSettings, store_orders: StoreOrders) -> None:
    store_orders(DAY, 1, 50)
    with open_pipeline(settings) as pipeline:
        assert pipeline.load_orders(DAY)
    with staging_folder(settings.staging) as folder:
        (folder / "0000.parquet").touch()
        modes = {path: path.stat().st_mode for path in _walk(settings.warehouse_path.parent)}
    assert {settings.warehouse_path, settings.staging, folder, folder / "0000.parquet"} <= modes.keys()
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}


def _walk(folder: Path) -> Iterator[Path]:
    """What is in the folder; itself it is the test's."""
    yield from folder.rglob("*")
