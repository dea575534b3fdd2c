"""The adapter on the fake, by Google's own client; nothing waits."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.auth.transport.requests import AuthorizedSession
from google.cloud.bigquery import Client
from google.cloud.bigquery_storage import BigQueryReadClient
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport

from order_batch.settings import BatchSettings, WarehouseKind
from order_batch.warehouse.bigquery.permissions import Permissions
from order_batch.warehouse.bigquery.retry_policy import RetryPolicy
from order_batch.warehouse.bigquery.warehouse import BigQueryWarehouse
from tests.fake_bigquery.server import FakeBigQuery

LOCATION = "asia-southeast2"
IMPATIENT = RetryPolicy(first_wait=0.001, longest_wait=0.002, call=0.5, job=10, job_tries=3, chunk_retries=0)


def settings(project: str | None = "test-project", maximum_bytes_billed: int = 10 * 1024**2) -> BatchSettings:
    return BatchSettings(
        warehouse=WarehouseKind.BIGQUERY,
        bigquery_project=project,
        bigquery_dataset_prefix="orderwatch_",
        bigquery_location=LOCATION,
        bigquery_maximum_bytes_billed=maximum_bytes_billed,
    )


@contextmanager
def open_client(fake: FakeBigQuery) -> Iterator[Client]:
    """Google's client, connected to the fake."""
    client = Client(
        fake.project,
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options=ClientOptions(api_endpoint=fake.url),
        location=LOCATION,
    )
    try:
        yield client
    finally:
        client.close()  # type: ignore[no-untyped-call]


@contextmanager
def open_read_client(fake: FakeBigQuery) -> Iterator[BigQueryReadClient]:
    """Google's client of the Storage Read API, connected to the fake."""
    with grpc.insecure_channel(fake.read_address) as channel:
        yield BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))  # type: ignore[no-untyped-call]


@contextmanager
def connected(fake: FakeBigQuery, retry_policy: RetryPolicy = IMPATIENT) -> Iterator[BigQueryWarehouse]:
    """A warehouse that talks to the fake."""
    with open_client(fake) as client, open_read_client(fake) as read_client:
        session = AuthorizedSession(AnonymousCredentials())  # type: ignore[no-untyped-call]
        permissions = Permissions(client, session, retry_policy.retry(), resource_manager=fake.url)
        yield BigQueryWarehouse(settings(fake.project), client, retry_policy, permissions, read_client)
