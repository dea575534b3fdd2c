"""Clients of BigQuery: credentials, and queries with parameters, labels and a cost limit."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from google.auth.exceptions import DefaultCredentialsError
from google.cloud.bigquery import ArrayQueryParameter, Client, QueryJobConfig, ScalarQueryParameter
from google.cloud.bigquery.table import RowIterator
from google.cloud.bigquery_storage import BigQueryReadClient

from order_batch.settings import BatchSettings
from order_batch.warehouse.bigquery.errors import NO_CREDENTIALS
from order_batch.warehouse.bigquery.permissions import Permissions, open_session
from order_batch.warehouse.bigquery.retry_policy import RESPONSE_SECONDS, RetryPolicy
from order_batch.warehouse.port import WarehouseError

ROWS_PER_PAGE = 10_000
Parameter = ScalarQueryParameter | ArrayQueryParameter


def open_client(settings: BatchSettings) -> Client:
    """Google's client with the application default credentials. Raises WarehouseError if there are none."""
    with _credentials_errors():
        return Client(settings.bigquery_project, location=settings.bigquery_location)


def open_read_client() -> BigQueryReadClient:
    """Google's client of the Storage Read API with the application default credentials.

    Raises WarehouseError if there are none.
    """
    with _credentials_errors():
        return BigQueryReadClient()  # type: ignore[no-untyped-call]


def open_permissions(client: Client, retry_policy: RetryPolicy) -> Permissions:
    """Permissions of the application default credentials. Raises WarehouseError if there are none."""
    with _credentials_errors():
        return Permissions(client, open_session(), retry_policy.retry())


@contextmanager
def _credentials_errors() -> Iterator[None]:
    try:
        yield
    except (DefaultCredentialsError, OSError) as error:
        raise WarehouseError(f"{NO_CREDENTIALS} ({error})") from error


class Queries:
    """Queries of one project and location."""

    def __init__(self, client: Client, retry_policy: RetryPolicy, maximum_bytes_billed: int) -> None:
        self._client = client
        self._retry_policy = retry_policy
        self._maximum_bytes_billed = maximum_bytes_billed

    def run(self, statement: str, labels: Mapping[str, str], parameters: Sequence[Parameter] = ()) -> RowIterator:
        """The resulting rows. A query that would exceed the cost limit is rejected; raises what the client raises."""
        retry = self._retry_policy.retry()
        return self._client.query_and_wait(
            statement,
            job_config=QueryJobConfig(
                query_parameters=list(parameters),
                maximum_bytes_billed=self._maximum_bytes_billed,
                use_query_cache=False,  # the current rows are needed
                labels=dict(labels),
            ),
            retry=retry,
            job_retry=retry,
            api_timeout=RESPONSE_SECONDS,
            wait_timeout=self._retry_policy.call,
            page_size=ROWS_PER_PAGE,
        )
