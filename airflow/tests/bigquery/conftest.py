"""The fake, served, and a warehouse on it."""

from collections.abc import Iterator

import pytest
from google.cloud.bigquery import Client

from order_batch.warehouse.bigquery.warehouse import BigQueryWarehouse
from tests.bigquery.warehouse import connected, open_client
from tests.fake_bigquery.server import FakeBigQuery, serving


@pytest.fixture
def fake() -> Iterator[FakeBigQuery]:
    """Every request to it was as Google describes the API, and every planned fault came to pass."""
    with serving(FakeBigQuery()) as fake:
        yield fake
    assert fake.violations == []
    assert fake.faults.left == []


@pytest.fixture
def client(fake: FakeBigQuery) -> Iterator[Client]:
    """Google's client on the fake."""
    with open_client(fake) as client:
        yield client


@pytest.fixture
def warehouse(fake: FakeBigQuery) -> Iterator[BigQueryWarehouse]:
    """Its tables are there, and what was asked for that is forgotten."""
    with connected(fake) as warehouse:
        warehouse.prepare()
        fake.requests.clear()
        yield warehouse
