"""Credentials and the project: what is missing is named, with what to set."""

from pathlib import Path

import pytest

from order_batch.warehouse.bigquery.warehouse import BigQueryWarehouse
from order_batch.warehouse.port import WarehouseError
from tests.bigquery.warehouse import settings


@pytest.fixture(autouse=True)
def nothing_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials of the machine that this runs on, and no question to a cloud that it may run in."""
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")


@pytest.mark.parametrize("project", [None, ""])
def test_without_a_project(project: str | None) -> None:
    with pytest.raises(WarehouseError, match="set ORDERWATCH_BIGQUERY_PROJECT"):
        BigQueryWarehouse(settings(project))


def test_without_credentials() -> None:
    with pytest.raises(WarehouseError, match=r"GOOGLE_APPLICATION_CREDENTIALS.*gcloud auth application-default login"):
        BigQueryWarehouse(settings()).prepare()


def test_with_a_key_file_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")
    with pytest.raises(WarehouseError, match=r"GOOGLE_APPLICATION_CREDENTIALS.*/nowhere/key\.json"):
        BigQueryWarehouse(settings()).prepare()


def test_with_a_key_file_that_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text("{}")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    with pytest.raises(WarehouseError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        BigQueryWarehouse(settings()).prepare()


def test_with_a_key_file_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path))
    with pytest.raises(WarehouseError, match=r"GOOGLE_APPLICATION_CREDENTIALS.*Is a directory"):
        BigQueryWarehouse(settings()).prepare()


def test_the_warehouse_name_needs_no_credentials() -> None:
    assert BigQueryWarehouse(settings()).name == "bigquery:test-project.orderwatch_"
