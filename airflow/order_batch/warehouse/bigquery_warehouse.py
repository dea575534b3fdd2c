"""BigQuery as the warehouse: datasets `{prefix}raw` to `{prefix}gold` in one project and location."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from google.api_core.exceptions import NotFound
from google.auth.exceptions import DefaultCredentialsError
from google.cloud.bigquery import (
    ArrayQueryParameter,
    Client,
    Dataset,
    DatasetReference,
    LoadJobConfig,
    ScalarQueryParameter,
    TableReference,
)

from order_batch.settings import BatchSettings
from order_batch.warehouse.bigquery_errors import NO_CREDENTIALS, in_words
from order_batch.warehouse.bigquery_jobs import LoadJobs
from order_batch.warehouse.bigquery_patience import ANSWER_SECONDS, Patience
from order_batch.warehouse.bigquery_queries import Parameter, Queries
from order_batch.warehouse.bigquery_relation import BigQueryRelation
from order_batch.warehouse.bigquery_schema import (
    LABELS,
    bigquery_table,
    difference,
    labels,
    missing_nullable,
    partitioning,
    schema,
)
from order_batch.warehouse.partitions import Partition
from order_batch.warehouse.port import Relation, WarehouseError
from order_batch.warehouse.queries import arranged
from order_batch.warehouse.tables import ORDERS, TABLES, Table
from order_batch.warehouse.totals import Totals

DATASETS = ("raw", "bronze", "silver", "gold")


def open_client(settings: BatchSettings) -> Client:
    """Google's client with the application default credentials. Raises WarehouseError when there are none to read."""
    try:
        return Client(settings.bigquery_project, location=settings.bigquery_location)
    except (DefaultCredentialsError, OSError) as error:
        raise WarehouseError(f"{NO_CREDENTIALS} ({error})") from error


class BigQueryWarehouse:
    """The Warehouse in BigQuery, by Google's own client."""

    def __init__(self, settings: BatchSettings, client: Client | None = None, patience: Patience | None = None) -> None:
        """With `client` that one, else the first call makes one with the application default credentials.

        Raises WarehouseError when no project is set.
        """
        if not settings.bigquery_project:
            raise WarehouseError("BigQuery wants a project: set ORDERWATCH_BIGQUERY_PROJECT to its id")
        self._settings = settings
        self._project = settings.bigquery_project
        self._given = client
        self._patience = patience or Patience()
        self._retry = self._patience.retry()

    @property
    def name(self) -> str:
        return f"bigquery:{self._project}.{self._settings.bigquery_dataset_prefix}"

    def prepare(self) -> None:
        with in_words("making datasets and tables"):
            for dataset in DATASETS:
                self._prepare_dataset(self._dataset(dataset))
            for table in TABLES:
                self._prepare_table(table)

    def load(self, table: Table, partition: Partition, files: Sequence[Path], expected: Totals) -> None:
        target = self._dataset("raw").table(f"{table.name}${partition.id}")
        with in_words(f"loading {target.dataset_id}.{target.table_id}"):
            if files:
                LoadJobs(self._client, self._patience).replace(target, files, _load_config(table, partition))
            else:
                self._empty(target)
        held = self.totals(table, partition)
        if (difference := expected.difference(held)) is not None:
            raise WarehouseError(
                f"{target.dataset_id}.{target.table_id} was loaded, but is not what it should be: {difference}. "
                f"Run the load again, it replaces the partition; when it differs again, keep the staged files and see "
                f"docs/warehouse.md"
            )

    def totals(self, table: Table, partition: Partition) -> Totals:
        path = self._dataset("raw").table(table.name)
        span = [
            ScalarQueryParameter("start", "DATE", partition.start),
            ScalarQueryParameter("end", "DATE", partition.end),
        ]
        with in_words(f"counting {path.dataset_id}.{path.table_id} of {partition}"):
            found = self._queries.run(_totals_statement(table, path), labels(table, partition), span)
            ((rows, amount),) = found
        # Beyond 64 bits without loss: the sum is a NUMERIC.
        return Totals(rows, None if amount is None else int(amount), None)

    def orders(self, day: date, order_ids: Sequence[str]) -> list[dict[str, Any]]:
        path = self._dataset("raw").table(ORDERS.name)
        statement = (
            f"SELECT * FROM `{path.project}.{path.dataset_id}.{path.table_id}` "
            "WHERE business_date = @day AND order_id IN UNNEST(@order_ids)"
        )
        wanted: list[Parameter] = [
            ScalarQueryParameter("day", "DATE", day),
            ArrayQueryParameter("order_ids", "STRING", list(order_ids)),
        ]
        with in_words(f"reading {path.dataset_id}.{path.table_id} of {day}"):
            found = self._queries.run(statement, LABELS | {"table": ORDERS.name}, wanted)
            return [dict(row.items()) for row in found]

    @contextmanager
    def gold(self, mart: str, order_by: Sequence[str] = (), limit: int | None = None) -> Iterator[Relation]:
        path = self._dataset("gold").table(mart)
        with in_words(f"reading {path.dataset_id}.{mart}"):
            try:
                table = self._client.get_table(path, retry=self._retry, timeout=ANSWER_SECONDS)
            except NotFound as error:
                raise WarehouseError(
                    f"there is no {path.dataset_id}.{mart} in {self._project}: run dbt first"
                ) from error
        yield BigQueryRelation(self._client, table, self._patience, self._queries, arranged(order_by, limit))

    @cached_property
    def _client(self) -> Client:
        return self._given or open_client(self._settings)

    @property
    def _queries(self) -> Queries:
        return Queries(self._client, self._patience, self._settings.bigquery_maximum_bytes_billed)

    def _dataset(self, name: str) -> DatasetReference:
        return DatasetReference(self._project, f"{self._settings.bigquery_dataset_prefix}{name}")

    def _prepare_dataset(self, reference: DatasetReference) -> None:
        try:
            found = self._client.get_dataset(reference, retry=self._retry, timeout=ANSWER_SECONDS)
        except NotFound:
            made = Dataset(reference)
            made.location = self._settings.bigquery_location
            made.labels = LABELS
            found = self._client.create_dataset(made, exists_ok=True, retry=self._retry, timeout=ANSWER_SECONDS)
        if (location := str(found.location)).lower() != self._settings.bigquery_location.lower():
            raise WarehouseError(
                f"dataset {reference.dataset_id} is in {location}: set ORDERWATCH_BIGQUERY_LOCATION to that, "
                f"or another ORDERWATCH_BIGQUERY_DATASET_PREFIX; datasets cannot be moved"
            )

    def _prepare_table(self, table: Table) -> None:
        path = self._dataset("raw").table(table.name)
        try:
            found = self._client.get_table(path, retry=self._retry, timeout=ANSWER_SECONDS)
        except NotFound:
            made = bigquery_table(table, path)
            found = self._client.create_table(made, exists_ok=True, retry=self._retry, timeout=ANSWER_SECONDS)
        if added := missing_nullable(found, table):
            found.schema = [*found.schema, *added]
            found = self._client.update_table(found, ["schema"], retry=self._retry, timeout=ANSWER_SECONDS)
        if (differing := difference(found, table)) is not None:
            raise WarehouseError(
                f"{path.dataset_id}.{table.name} is another table than this version loads into: {differing}. "
                f"Drop it, and load its dates again"
            )

    def _empty(self, target: TableReference) -> None:
        """Delete the partition: for no rows that is the same, at once and free of charge."""
        assert "$" in target.table_id, "or the table itself would be deleted"
        LoadJobs(self._client, self._patience).await_in_flight(target)
        self._client.delete_table(target, not_found_ok=True, retry=self._retry, timeout=ANSWER_SECONDS)


def _load_config(table: Table, partition: Partition) -> LoadJobConfig:
    return LoadJobConfig(
        source_format="NEWLINE_DELIMITED_JSON",
        schema=schema(table),
        autodetect=False,
        max_bad_records=0,
        ignore_unknown_values=False,
        write_disposition="WRITE_TRUNCATE",
        # A table made by the way would have neither partitions nor descriptions.
        create_disposition="CREATE_NEVER",
        # Not the table's own by default: jobs that declare others are refused.
        time_partitioning=partitioning(table),
        clustering_fields=list(table.clustering),
        labels=labels(table, partition),
    )


def _totals_statement(table: Table, path: TableReference) -> str:
    amount = f"COALESCE(SUM(CAST({table.amount} AS NUMERIC)), 0)" if table.amount else "CAST(NULL AS NUMERIC)"
    return (
        f"SELECT COUNT(*) AS row_count, {amount} AS amount FROM `{path.project}.{path.dataset_id}.{path.table_id}` "
        f"WHERE {table.partition_column} >= @start AND {table.partition_column} < @end"
    )
