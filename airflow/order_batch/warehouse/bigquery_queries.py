"""Queries: limited in cost, labelled, with parameters."""

from collections.abc import Mapping, Sequence

from google.cloud.bigquery import ArrayQueryParameter, Client, QueryJobConfig, ScalarQueryParameter
from google.cloud.bigquery.table import RowIterator

from order_batch.warehouse.bigquery_patience import ANSWER_SECONDS, Patience

_ROWS_AT_ONCE = 10_000
Parameter = ScalarQueryParameter | ArrayQueryParameter


class Queries:
    """Queries of one project and location."""

    def __init__(self, client: Client, patience: Patience, maximum_bytes_billed: int) -> None:
        self._client = client
        self._patience = patience
        self._maximum_bytes_billed = maximum_bytes_billed

    def run(self, statement: str, labels: Mapping[str, str], parameters: Sequence[Parameter] = ()) -> RowIterator:
        """The rows. Refused by BigQuery when they would cost more than is allowed; raises what the client raises."""
        retry = self._patience.retry()
        return self._client.query_and_wait(
            statement,
            job_config=QueryJobConfig(
                query_parameters=list(parameters),
                maximum_bytes_billed=self._maximum_bytes_billed,
                use_query_cache=False,  # what stands there now is asked for
                labels=dict(labels),
            ),
            retry=retry,
            job_retry=retry,
            api_timeout=ANSWER_SECONDS,
            wait_timeout=self._patience.call,
            page_size=_ROWS_AT_ONCE,
        )
