"""Relations: gold tables and views, to be read once."""

from collections.abc import Iterator, Sequence
from typing import Any

from google.cloud.bigquery import Client, SchemaField, Table
from google.cloud.bigquery.table import RowIterator

from order_batch.warehouse.bigquery_errors import in_words
from order_batch.warehouse.bigquery_patience import ANSWER_SECONDS, Patience
from order_batch.warehouse.bigquery_queries import Queries
from order_batch.warehouse.bigquery_schema import LABELS, postgres_type
from order_batch.warehouse.port import WarehouseError

_ROWS_AT_ONCE = 10_000


class BigQueryRelation:
    """A Relation in BigQuery."""

    def __init__(self, client: Client, table: Table, patience: Patience, queries: Queries, arrangement: str) -> None:
        self._client = client
        self._table = table
        self._patience = patience
        self._queries = queries
        self._arrangement = arrangement

    @property
    def columns(self) -> Sequence[tuple[str, str]]:
        return [(field.name, self._type_of(field)) for field in self._table.schema]

    def rows(self) -> Iterator[tuple[Any, ...]]:
        with in_words(f"reading {self._table.dataset_id}.{self._table.table_id}"):
            for row in self._found():
                yield row.values()

    def _found(self) -> RowIterator:
        if self._table.table_type == "TABLE" and not self._arrangement:  # listed free of charge
            return self._client.list_rows(
                self._table, page_size=_ROWS_AT_ONCE, retry=self._patience.retry(), timeout=ANSWER_SECONDS
            )
        path = f"{self._table.project}.{self._table.dataset_id}.{self._table.table_id}"
        return self._queries.run(f"SELECT * FROM `{path}`{self._arrangement}", LABELS | {"table": self._table.table_id})

    def _type_of(self, field: SchemaField) -> str:
        found = postgres_type(field)
        if found is None:
            raise WarehouseError(
                f"{self._table.dataset_id}.{self._table.table_id}: column {field.name} is {field.mode} "
                f"{field.field_type}, which has no counterpart in Postgres"
            )
        return found
