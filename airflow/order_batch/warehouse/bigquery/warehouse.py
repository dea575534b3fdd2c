"""The warehouse in BigQuery: datasets `{prefix}raw` to `{prefix}gold` in one project and location."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from google.api_core.exceptions import NotFound
from google.cloud.bigquery import (
    ArrayQueryParameter,
    Client,
    Dataset,
    DatasetReference,
    LoadJobConfig,
    ScalarQueryParameter,
    TableReference,
)
from google.cloud.bigquery_storage import BigQueryReadClient

from order_batch.settings import BatchSettings
from order_batch.warehouse.bigquery.client import (
    Parameter,
    Queries,
    open_client,
    open_permissions,
    open_read_client,
)
from order_batch.warehouse.bigquery.errors import translate_errors
from order_batch.warehouse.bigquery.load_jobs import LoadJobs
from order_batch.warehouse.bigquery.models import Models
from order_batch.warehouse.bigquery.permissions import IN_PROJECT, ON_TABLES, TO_CREATE_DATASETS, Permissions
from order_batch.warehouse.bigquery.relation import BigQueryRelation
from order_batch.warehouse.bigquery.retry_policy import RESPONSE_SECONDS, RetryPolicy
from order_batch.warehouse.bigquery.schema import (
    LABELS,
    bigquery_table,
    difference,
    labels,
    missing_nullable,
    partitioning,
    schema,
)
from order_batch.warehouse.content_hash import BIGQUERY
from order_batch.warehouse.erasure import HIT_VALUES, ORDER_VALUES, USER_VALUES, raw_assignments
from order_batch.warehouse.models import LAYERS, BuiltModel
from order_batch.warehouse.partitions import Partition, Totals
from order_batch.warehouse.port import BuiltPartition, Relation, WarehouseError, dates_clause, order_limit_clause
from order_batch.warehouse.staged_files import check_files
from order_batch.warehouse.tables import ORDERS, RULE_HITS, TABLES, USERS, Table

DATASETS = ("raw", "bronze", "silver", "gold")


class BigQueryWarehouse:
    """The Warehouse in BigQuery, by Google's own client."""

    def __init__(
        self,
        settings: BatchSettings,
        client: Client | None = None,
        retry_policy: RetryPolicy | None = None,
        permissions: Permissions | None = None,
        read_client: BigQueryReadClient | None = None,
    ) -> None:
        """Without clients and `permissions`, the first call creates them with the application default credentials.

        Raises WarehouseError when no project is set.
        """
        if not settings.bigquery_project:
            raise WarehouseError("BigQuery needs a project: set ORDERWATCH_BIGQUERY_PROJECT to its id")
        self._settings = settings
        self._project = settings.bigquery_project
        self._given = client
        self._given_permissions = permissions
        self._given_read_client = read_client
        self._retry_policy = retry_policy or RetryPolicy()
        self._retry = self._retry_policy.retry()

    @property
    def name(self) -> str:
        return f"bigquery:{self._project}.{self._settings.bigquery_dataset_prefix}"

    def prepare(self) -> None:
        with translate_errors("creating datasets and tables"):
            self._permissions.require_in_project(IN_PROJECT)
            for dataset in DATASETS:
                self._prepare_dataset(self._dataset(dataset))
            for table in TABLES:
                self._prepare_table(table)
            self._permissions.require_on_table(ON_TABLES, self._dataset("raw").table(ORDERS.name))

    def load(self, table: Table, partition: Partition, files: Sequence[Path], expected: Totals) -> None:
        check_files(table, files)
        target = self._dataset("raw").table(f"{table.name}${partition.id}")
        with translate_errors(f"loading {target.dataset_id}.{target.table_id}"):
            if files:
                self._load_jobs.replace(target, files, _load_config(table, partition))
            else:
                self._empty(target)
        held = self.totals(table, partition.start, partition.last).get(partition, Totals.empty(table))
        if (difference := expected.difference(held)) is not None:
            raise WarehouseError(
                f"{target.dataset_id}.{target.table_id} was loaded, but its totals are wrong: {difference}. "
                f"Run the load again, it replaces the partition; if it differs again, keep the staged files and see "
                f"docs/warehouse.md"
            )

    def totals(self, table: Table, first: date, last: date) -> dict[Partition, Totals]:
        amount = f"COALESCE(SUM(CAST({table.amount} AS NUMERIC)), 0)" if table.amount else "CAST(NULL AS NUMERIC)"
        found = self._by_partition(
            table,
            first,
            last,
            f"COUNT(*) AS row_count, {amount} AS amount, {BIGQUERY.content_hash(table)} AS content_hash",
        )
        # Beyond 64 bits without loss: the sum is a NUMERIC.
        return {
            partition: Totals(rows, None if amount is None else int(amount), content_hash)
            for partition, (rows, amount, content_hash) in found.items()
        }

    def row_counts(self, table: Table, first: date, last: date) -> dict[Partition, int]:
        found = self._by_partition(table, first, last, "COUNT(*) AS row_count")
        return {partition: rows for partition, (rows,) in found.items()}

    def _by_partition(self, table: Table, first: date, last: date, values: str) -> dict[Partition, tuple[Any, ...]]:
        """Aggregates of the rows from business date `first` to `last`, by partition."""
        path = self._dataset("raw").table(table.name)
        start = Partition.of(table, first)
        is_one = start == Partition.of(table, last)
        span: list[Parameter] = [
            ScalarQueryParameter("first", "DATE", first),
            ScalarQueryParameter("last", "DATE", last),
        ]
        statement = (
            f"SELECT DATE_TRUNC({table.partition_column}, {table.span.value}) AS partition_start, {values} "
            f"FROM `{path.project}.{path.dataset_id}.{path.table_id}` "
            f"WHERE {table.partition_column} BETWEEN @first AND @last GROUP BY partition_start"
        )
        with translate_errors(f"counting {path.dataset_id}.{path.table_id} of {first} to {last}"):
            found = self._queries.run(statement, labels(table, start if is_one else None), span)
            return {Partition(day, table.span): tuple(aggregates) for day, *aggregates in found}

    def built_contents(self, table: Table, first: date, last: date) -> dict[Partition, Totals | None]:
        wanted: list[Parameter] = [
            ScalarQueryParameter("table", "STRING", table.name),
            ScalarQueryParameter("first", "DATE", first),
            ScalarQueryParameter("last", "DATE", last),
        ]
        found = self._read_built(
            "built_contents",
            "partition_start, total_rows, amount, content_hash, is_complete",
            " WHERE table_name = @table AND partition_start BETWEEN @first AND @last",
            wanted,
        )
        return {
            Partition(start, table.span): Totals(rows, None if amount is None else int(amount), content_hash)
            if is_complete
            else None
            for start, rows, amount, content_hash, is_complete in found
        }

    def built_partitions(self) -> Sequence[BuiltPartition]:
        found = self._read_built("built_partitions", "table_name, partition_start, total_rows, content_hash")
        return [BuiltPartition(*row) for row in found]

    def unfinished_dates(self) -> list[date]:
        silver = self._dataset("silver")
        built = f"SELECT business_date FROM `{silver.project}.{silver.dataset_id}.built_dates`"
        where = f" WHERE business_date NOT IN ({built})"
        found = self._read_built("agg_daily_payment_hour_orders", "DISTINCT business_date", where)
        return sorted(day for (day,) in found)

    def _read_built(
        self, view: str, columns: str, where: str = "", parameters: Sequence[Parameter] = ()
    ) -> list[tuple[Any, ...]]:
        """Rows of what dbt says of its builds; none if it has not built that yet."""
        path = self._dataset("silver").table(view)
        statement = f"SELECT {columns} FROM `{path.project}.{path.dataset_id}.{view}`{where}"
        with translate_errors(f"reading {path.dataset_id}.{view}"):
            try:
                self._client.get_table(path, retry=self._retry, timeout=RESPONSE_SECONDS)
            except NotFound:
                return []
            return [row.values() for row in self._queries.run(statement, LABELS | {"table": view}, parameters)]

    def orders(self, day: date, order_ids: Sequence[str]) -> list[dict[str, Any]]:
        path = self._dataset("raw").table(ORDERS.name)
        statement = (
            f"SELECT {ORDERS.column_list} FROM `{path.project}.{path.dataset_id}.{path.table_id}` "
            "WHERE business_date = @day AND order_id IN UNNEST(@order_ids)"
        )
        wanted: list[Parameter] = [
            ScalarQueryParameter("day", "DATE", day),
            ArrayQueryParameter("order_ids", "STRING", list(order_ids)),
        ]
        with translate_errors(f"reading {path.dataset_id}.{path.table_id} of {day}"):
            found = self._queries.run(statement, LABELS | {"table": ORDERS.name}, wanted)
            return [dict(row.items()) for row in found]

    def order_ids_of(self, user_id: str) -> list[str]:
        given: list[Parameter] = [ScalarQueryParameter("user_id", "STRING", user_id)]
        with translate_errors("reading a user's orders"):
            found = self._queries.run(_orders_of(self._dataset("raw")), LABELS | {"table": ORDERS.name}, given)
            return [order_id for (order_id,) in found]

    def erase_user(self, user_id: str, pseudonym: str) -> None:
        given: list[Parameter] = [ScalarQueryParameter("user_id", "STRING", user_id)]
        with translate_errors("erasing a user"):
            self._queries.run(_erase_hits_statement(self._dataset("raw")), LABELS | {"table": RULE_HITS.name}, given)
            given.append(ScalarQueryParameter("pseudonym", "STRING", pseudonym))
            for table, values in ((ORDERS, ORDER_VALUES), (USERS, USER_VALUES)):
                path = self._dataset("raw").table(table.name)
                self._queries.run(_erase_statement(table, path, values), LABELS | {"table": table.name}, given)

    def gold(
        self, mart: str, order_by: Sequence[str] = (), limit: int | None = None
    ) -> AbstractContextManager[Relation]:
        return self._relation(self._dataset("gold").table(mart), order_limit_clause(order_by, limit))

    def of_dates(self, view: str, days: Sequence[date], order_by: Sequence[str]) -> AbstractContextManager[Relation]:
        return self._relation(self._dataset("silver").table(view), dates_clause(days) + order_limit_clause(order_by))

    def raw(self, table: Table, day: date) -> AbstractContextManager[Relation]:
        return self._relation(self._dataset("raw").table(table.name), dates_clause([day]))

    @contextmanager
    def _relation(self, path: TableReference, clauses: str) -> Iterator[Relation]:
        with translate_errors(f"reading {path.dataset_id}.{path.table_id}"):
            try:
                table = self._client.get_table(path, retry=self._retry, timeout=RESPONSE_SECONDS)
            except NotFound as error:
                raise WarehouseError(
                    f"{path.dataset_id}.{path.table_id} does not exist in {self._project}: run dbt first"
                ) from error
        yield BigQueryRelation(
            self._client, lambda: self._read_client, table, self._retry_policy, self._queries, clauses
        )

    def models(self) -> list[BuiltModel]:
        with translate_errors("listing the models"):
            return self._models.read()

    def record_models(self, versions: Mapping[str, str]) -> None:
        with translate_errors("labelling the models with their versions"):
            self._models.record(versions)

    def drop_models(self, models: Iterable[BuiltModel]) -> None:
        with translate_errors("dropping models"):
            self._models.drop(models)

    def dates_only_built(self) -> list[date]:
        if not any(model.name == "fct_orders" for model in self.models()):
            return []
        with translate_errors("comparing the dates of silver.fct_orders and raw.orders"):
            found = self._queries.run(
                _dates_only_built(self._dataset("silver").table("fct_orders"), self._dataset("raw").table(ORDERS.name)),
                LABELS | {"table": "fct_orders"},
            )
            return [day for (day,) in found]

    @property
    def _models(self) -> Models:
        return Models(self._client, self._retry_policy, {layer: self._dataset(layer) for layer in LAYERS})

    @cached_property
    def _client(self) -> Client:
        return self._given or open_client(self._settings)

    @cached_property
    def _read_client(self) -> BigQueryReadClient:
        return self._given_read_client or open_read_client()

    @cached_property
    def _permissions(self) -> Permissions:
        return self._given_permissions or open_permissions(self._client, self._retry_policy)

    @property
    def _load_jobs(self) -> LoadJobs:
        return LoadJobs(self._client, self._retry_policy)

    @property
    def _queries(self) -> Queries:
        return Queries(self._client, self._retry_policy, self._settings.bigquery_maximum_bytes_billed)

    def _dataset(self, name: str) -> DatasetReference:
        return DatasetReference(self._project, f"{self._settings.bigquery_dataset_prefix}{name}")

    def _prepare_dataset(self, reference: DatasetReference) -> None:
        try:
            found = self._client.get_dataset(reference, retry=self._retry, timeout=RESPONSE_SECONDS)
        except NotFound:
            self._permissions.require_in_project(TO_CREATE_DATASETS)
            made = Dataset(reference)
            made.location = self._settings.bigquery_location
            made.labels = LABELS
            found = self._client.create_dataset(made, exists_ok=True, retry=self._retry, timeout=RESPONSE_SECONDS)
        if (location := str(found.location)).lower() != self._settings.bigquery_location.lower():
            raise WarehouseError(
                f"dataset {reference.dataset_id} is in {location}: set ORDERWATCH_BIGQUERY_LOCATION to that, "
                f"or another ORDERWATCH_BIGQUERY_DATASET_PREFIX; datasets cannot be moved"
            )

    def _prepare_table(self, table: Table) -> None:
        path = self._dataset("raw").table(table.name)
        try:
            found = self._client.get_table(path, retry=self._retry, timeout=RESPONSE_SECONDS)
        except NotFound:
            made = bigquery_table(table, path)
            found = self._client.create_table(made, exists_ok=True, retry=self._retry, timeout=RESPONSE_SECONDS)
        if added := missing_nullable(found, table):
            found.schema = [*found.schema, *added]
            found = self._client.update_table(found, ["schema"], retry=self._retry, timeout=RESPONSE_SECONDS)
        if bool(found.require_partition_filter) != table.requires_filter:
            found.require_partition_filter = table.requires_filter
            changed = ["require_partition_filter"]
            found = self._client.update_table(found, changed, retry=self._retry, timeout=RESPONSE_SECONDS)
        if (differing := difference(found, table)) is not None:
            raise WarehouseError(
                f"{path.dataset_id}.{table.name} is not the table that this version loads into: {differing}. "
                f"Drop it, and load its dates again"
            )

    def _empty(self, target: TableReference) -> None:
        """Delete the partition: the same as loading no rows, but immediate and free of charge."""
        assert "$" in target.table_id, "or the table itself would be deleted"
        self._load_jobs.await_in_flight(target)
        self._client.delete_table(target, not_found_ok=True, retry=self._retry, timeout=RESPONSE_SECONDS)


def _load_config(table: Table, partition: Partition) -> LoadJobConfig:
    return LoadJobConfig(
        source_format="PARQUET",
        schema=schema(table),
        autodetect=False,
        write_disposition="WRITE_TRUNCATE",
        # A table that a load job creates would have neither partitions nor descriptions.
        create_disposition="CREATE_NEVER",
        # The default is not that of the table, and jobs that declare another one are rejected.
        time_partitioning=partitioning(table),
        clustering_fields=list(table.clustering),
        labels=labels(table, partition),
    )


# All partitions, said in the way that a table requires which refuses queries without a filter.
_ALL_DATES = ">= DATE '0001-01-01'"


def _erase_statement(table: Table, path: TableReference, values: Mapping[str, str | None]) -> str:
    return (
        f"UPDATE `{path.project}.{path.dataset_id}.{path.table_id}` "
        f"SET user_id = @pseudonym, {raw_assignments(values)} "
        f"WHERE {table.partition_column} {_ALL_DATES} AND user_id = @user_id"
    )


def _erase_hits_statement(raw: DatasetReference) -> str:
    return (
        f"UPDATE `{raw.project}.{raw.dataset_id}.{RULE_HITS.name}` SET {raw_assignments(HIT_VALUES)} "
        f"WHERE business_date {_ALL_DATES} AND order_id IN ({_orders_of(raw)})"
    )


def _orders_of(raw: DatasetReference) -> str:
    return (
        f"SELECT order_id FROM `{raw.project}.{raw.dataset_id}.{ORDERS.name}` "
        f"WHERE business_date {_ALL_DATES} AND user_id = @user_id"
    )


def _dates_only_built(facts: TableReference, orders: TableReference) -> str:
    return (
        f"SELECT DISTINCT business_date FROM `{facts.project}.{facts.dataset_id}.{facts.table_id}` "
        f"WHERE business_date {_ALL_DATES} EXCEPT DISTINCT "
        f"SELECT DISTINCT business_date FROM `{orders.project}.{orders.dataset_id}.{orders.table_id}` "
        f"WHERE business_date {_ALL_DATES} ORDER BY business_date"
    )
