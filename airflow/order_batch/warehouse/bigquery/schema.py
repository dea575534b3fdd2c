"""Schema of the raw tables in BigQuery: columns with modes and descriptions, partitioning, clustering, labels."""

from collections.abc import Sequence

from google.cloud.bigquery import SchemaField, TableReference, TimePartitioning
from google.cloud.bigquery import Table as BigQueryTable

from order_batch.warehouse.partitions import Partition
from order_batch.warehouse.tables import Table

LABELS = {"app": "orderwatch"}

# BigQuery's responses have the older of its two names.
_CURRENT_NAMES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
_POSTGRES_TYPES = {
    "STRING": "text",
    "INT64": "bigint", "FLOAT64": "double precision", "NUMERIC": "numeric", "BIGNUMERIC": "numeric",
    "BOOL": "boolean", "DATE": "date", "TIME": "time", "DATETIME": "timestamp", "TIMESTAMP": "timestamptz",
    "BYTES": "bytea", "JSON": "jsonb",
}  # fmt: skip


def schema(table: Table) -> list[SchemaField]:
    """The columns, for load jobs and for creating the table."""
    return [
        SchemaField(
            column.name,
            column.kind.value,
            mode="REQUIRED" if column.required else "NULLABLE",
            description=column.description,
        )
        for column in table.stored_columns
    ]


def partitioning(table: Table) -> TimePartitioning:
    """By day or month of the partition column."""
    return TimePartitioning(type_=table.span.value, field=table.partition_column)


def labels(table: Table, partition: Partition | None = None) -> dict[str, str]:
    """Labels of jobs and tables, to attribute costs."""
    return LABELS | {"table": table.name} | ({"partition": partition.id} if partition else {})


def bigquery_table(table: Table, path: TableReference) -> BigQueryTable:
    """The table to create."""
    made = BigQueryTable(path, schema=schema(table))
    made.description = table.description
    made.time_partitioning = partitioning(table)
    made.clustering_fields = list(table.clustering)
    made.require_partition_filter = table.requires_filter
    made.labels = labels(table)
    return made


def missing_nullable(found: BigQueryTable, table: Table) -> list[SchemaField]:
    """The nullable columns that a table of an earlier release lacks; none when it lacks anything else, too."""
    there = {field.name for field in found.schema}
    missing = [field for field in schema(table) if field.name not in there]
    return missing if there and all(field.mode == "NULLABLE" for field in missing) else []


def difference(found: BigQueryTable, table: Table) -> str | None:
    """Describes how an existing table differs from this one; None if it can be loaded into."""
    there = {field.name: (_current(field.field_type), field.mode) for field in found.schema}
    here = {field.name: (field.field_type, field.mode) for field in map(_modern, schema(table))}
    for name in [*here, *there.keys() - here.keys()]:
        if there.get(name) != here.get(name):
            return f"column {name} is {_shown(there.get(name))} there, {_shown(here.get(name))} here"
    span = found.time_partitioning and (found.time_partitioning.type_, found.time_partitioning.field)
    if span != (table.span.value, table.partition_column):
        return (
            f"it is partitioned by {_shown(span)} there, by {_shown((table.span.value, table.partition_column))} here"
        )
    if tuple(found.clustering_fields or ()) != table.clustering:
        return f"it is clustered by {_shown(found.clustering_fields)} there, by {_shown(table.clustering)} here"
    return None


def postgres_type(field: SchemaField) -> str | None:
    """A column's type by its name in Postgres; None for arrays and records, which marts do not have."""
    return None if field.mode == "REPEATED" else _POSTGRES_TYPES.get(_current(field.field_type))


def _modern(field: SchemaField) -> SchemaField:
    return SchemaField(field.name, _current(field.field_type), mode=field.mode)


def _current(name: str | None) -> str:
    return _CURRENT_NAMES.get(name or "", name or "")


def _shown(values: Sequence[str | None] | None) -> str:
    return " ".join(map(str, values)) if values else "nothing"
