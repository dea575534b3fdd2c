"""A table or view in BigQuery that is read once: over the Storage Read API where it is large."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from google.cloud.bigquery import Client, SchemaField, Table
from google.cloud.bigquery.table import RowIterator
from google.cloud.bigquery_storage import BigQueryReadClient

from order_batch.warehouse.bigquery.client import ROWS_PER_PAGE, Queries
from order_batch.warehouse.bigquery.errors import translate_errors
from order_batch.warehouse.bigquery.retry_policy import RESPONSE_SECONDS, RetryPolicy
from order_batch.warehouse.bigquery.schema import LABELS, postgres_type
from order_batch.warehouse.port import WarehouseError


@dataclass(frozen=True, slots=True)
class BigQueryRelation:
    """A Relation in BigQuery."""

    client: Client
    read_client: Callable[[], BigQueryReadClient]
    table: Table
    retry_policy: RetryPolicy
    queries: Queries
    clauses: str
    """WHERE, ORDER BY and LIMIT of the query."""

    @property
    def columns(self) -> Sequence[tuple[str, str]]:
        return [(field.name, self._postgres_type(field)) for field in self.table.schema]

    def rows(self) -> Iterator[tuple[Any, ...]]:
        with translate_errors(f"reading {self.table.dataset_id}.{self.table.table_id}"):
            for row in self._read():
                yield row.values()

    def batches(self) -> Iterator[pa.RecordBatch]:
        with translate_errors(f"reading {self.table.dataset_id}.{self.table.table_id}"):
            # What does not fit into the first response is read over the Storage Read API, in one stream: rows of
            # several streams come in no order.
            yield from self._read().to_arrow_iterable(
                bqstorage_client=self.read_client(), max_stream_count=1, timeout=self.retry_policy.job
            )

    def _read(self) -> RowIterator:
        if self.table.table_type == "TABLE" and not self.clauses:  # listing rows is free of charge
            return self.client.list_rows(
                self.table, page_size=ROWS_PER_PAGE, retry=self.retry_policy.retry(), timeout=RESPONSE_SECONDS
            )
        path = f"{self.table.project}.{self.table.dataset_id}.{self.table.table_id}"
        return self.queries.run(f"SELECT * FROM `{path}`{self.clauses}", LABELS | {"table": self.table.table_id})

    def _postgres_type(self, field: SchemaField) -> str:
        found = postgres_type(field)
        if found is None:
            raise WarehouseError(
                f"{self.table.dataset_id}.{self.table.table_id}: column {field.name} is {field.mode} "
                f"{field.field_type}, which has no counterpart in Postgres"
            )
        return found
