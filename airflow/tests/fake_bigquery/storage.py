"""Datasets, tables and their rows."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from tests.fake_bigquery.api_error import ApiError, already_there, invalid, not_found
from tests.fake_bigquery.values import OLDER_NAMES, Row

_LABEL = re.compile(r"[a-z0-9_-]{0,63}")
_DECORATORS = {"DAY": "%Y%m%d", "MONTH": "%Y%m"}
_KINDS = {
    "STRING", "INTEGER", "FLOAT", "BOOLEAN", "NUMERIC", "BIGNUMERIC", "DATE", "TIME", "DATETIME", "TIMESTAMP", "BYTES",
    "JSON", "RECORD",
}  # fmt: skip


@dataclass
class StoredTable:
    """A table: its resource, and its rows in any order."""

    resource: dict[str, Any]
    rows: list[Row] = field(default_factory=list)

    @property
    def fields(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.resource["schema"]["fields"]
        return found

    @property
    def partition_column(self) -> str | None:
        found: str | None = self.resource.get("timePartitioning", {}).get("field")
        return found

    def partition_of(self, row: Row) -> str:
        """The decorator of the partition that a row lies in."""
        value = row[self.resource["timePartitioning"]["field"]]
        assert isinstance(value, date)
        return value.strftime(_DECORATORS[self.resource["timePartitioning"]["type"]])

    def check_decorator(self, decorator: str) -> None:
        form = _DECORATORS.get(self.resource.get("timePartitioning", {}).get("type", ""))
        if form is None or not re.fullmatch(r"\d{8}" if form == "%Y%m%d" else r"\d{6}", decorator):
            raise invalid(f"Invalid partition decorator ${decorator} for this table")

    def replace(self, decorator: str, rows: Iterable[Row]) -> None:
        self.rows = [row for row in self.rows if self.partition_of(row) != decorator] + list(rows)


class Storage:
    """What one project holds."""

    def __init__(self, project: str) -> None:
        self.project = project
        self.datasets: dict[str, dict[str, Any]] = {}
        self.tables: dict[tuple[str, str], StoredTable] = {}

    def insert_dataset(self, body: Mapping[str, Any]) -> dict[str, Any]:
        name = self._own(body["datasetReference"])["datasetId"]
        if name in self.datasets:
            raise already_there(f"Dataset {self.project}:{name}")
        check_labels(body.get("labels", {}))
        self.datasets[name] = {**body, "location": body.get("location", "US"), "id": f"{self.project}:{name}"}
        return self.datasets[name]

    def dataset(self, name: str) -> dict[str, Any]:
        try:
            return self.datasets[name]
        except KeyError:
            raise not_found(f"Dataset {self.project}:{name}") from None

    def delete_dataset(self, name: str, *, with_contents: bool) -> None:
        self.dataset(name)
        contents = [key for key in self.tables if key[0] == name]
        if contents and not with_contents:
            raise ApiError(400, "resourceInUse", f"Dataset {self.project}:{name} is still in use")
        for key in contents:
            del self.tables[key]
        del self.datasets[name]

    def insert_table(self, dataset: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self.dataset(dataset)
        name = self._own(body["tableReference"])["tableId"]
        if (dataset, name) in self.tables:
            raise already_there(f"Table {self.project}:{dataset}.{name}")
        if not re.fullmatch(r"\w{1,1024}", name) or body["tableReference"]["datasetId"] != dataset:
            raise invalid(f'Invalid table ID "{name}"')
        check_labels(body.get("labels", {}))
        fields = [_normal(each) for each in body["schema"]["fields"]]
        _check_layout(fields, body)
        made = {**body, "schema": {"fields": fields}, "id": f"{self.project}:{dataset}.{name}", "type": "TABLE"}
        self.tables[dataset, name] = StoredTable(made | {"location": self.datasets[dataset]["location"]})
        return self.tables[dataset, name].resource

    def list_tables(self, dataset: str) -> dict[str, Any]:
        """All tables and views of a dataset, in one page."""
        self.dataset(dataset)
        shown = ("id", "tableReference", "type", "labels")
        tables = [
            {"kind": "bigquery#table"} | {name: table.resource[name] for name in shown if name in table.resource}
            for (place, _), table in sorted(self.tables.items())
            if place == dataset
        ]
        return {"kind": "bigquery#tableList", "totalItems": len(tables), "tables": tables}

    def patch_table(self, dataset: str, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Replace labels, or add nullable columns; rows that are there have nulls in them."""
        table = self.table(dataset, name)
        if body.keys() <= {"tableReference", "labels"}:
            check_labels(body["labels"])
            table.resource["labels"] = dict(body["labels"])
            return table.resource
        if body.keys() == {"requirePartitionFilter"}:
            table.resource["requirePartitionFilter"] = body["requirePartitionFilter"]
            return table.resource
        if body.keys() - {"schema", "tableReference", "labels"} or not body.get("schema"):
            raise NotImplementedError(f"patches of {sorted(body)}")
        fields = [_normal(each) for each in body["schema"]["fields"]]
        kept, added = fields[: len(table.fields)], fields[len(table.fields) :]
        if [(each["name"], each["type"]) for each in kept] != [(each["name"], each["type"]) for each in table.fields]:
            raise invalid("Provided Schema does not match Table: columns cannot be removed or changed")
        if any(each.get("mode") == "REQUIRED" for each in added):
            raise invalid(f"Provided Schema does not match Table {name}. Cannot add required fields")
        table.resource["schema"] = {"fields": fields}
        table.rows = [{**row, **{each["name"]: None for each in added}} for row in table.rows]
        return table.resource

    def table(self, dataset: str, name: str) -> StoredTable:
        self.dataset(dataset)
        try:
            return self.tables[dataset, name]
        except KeyError:
            raise not_found(f"Table {self.project}:{dataset}.{name}") from None

    def delete_table(self, dataset: str, name: str) -> None:
        """Delete a table, or with a decorator the partition."""
        base, _, decorator = name.partition("$")
        table = self.table(dataset, base)
        if not decorator:
            del self.tables[dataset, base]
            return
        table.check_decorator(decorator)
        if not any(table.partition_of(row) == decorator for row in table.rows):
            raise not_found(f"Partition {self.project}:{dataset}.{name}")
        table.replace(decorator, [])

    def _own(self, reference: Mapping[str, str]) -> Mapping[str, str]:
        if reference.get("projectId") != self.project:
            raise ApiError(403, "accessDenied", f"Access Denied: Project {reference.get('projectId')}")
        return reference


def same_fields(these: Iterable[Mapping[str, Any]], those: Iterable[Mapping[str, Any]]) -> bool:
    """Whether schemas have the same names, types and modes in the same order."""
    shape: Callable[[Mapping[str, Any]], tuple[Any, ...]] = lambda each: (  # noqa: E731
        each["name"], OLDER_NAMES.get(each["type"], each["type"]), each.get("mode", "NULLABLE"),
    )  # fmt: skip
    return list(map(shape, these)) == list(map(shape, those))


def _normal(given: Mapping[str, Any]) -> dict[str, Any]:
    kind = OLDER_NAMES.get(given["type"], given["type"])
    if kind not in _KINDS:
        raise invalid(f"Invalid value for type: {given['type']} is not a valid value")
    return {**given, "type": kind, "mode": given.get("mode", "NULLABLE")}


def _check_layout(fields: list[dict[str, Any]], body: Mapping[str, Any]) -> None:
    kinds = {each["name"]: each["type"] for each in fields}
    if span := body.get("timePartitioning"):
        if kinds.get(span.get("field")) not in {"DATE", "TIMESTAMP", "DATETIME"}:
            raise invalid(f"The field specified for partitioning cannot be found or is of the wrong type: {span}")
        if span.get("type") not in _DECORATORS:
            raise NotImplementedError(f"partitioning by {span}")
    clustered = body.get("clustering", {}).get("fields", [])
    if len(clustered) > 4 or not set(clustered) <= kinds.keys():
        raise invalid(f"Clustering by {clustered} is not possible")


def check_labels(labels: Mapping[str, str]) -> None:
    """Refuse labels that BigQuery would refuse."""
    for key, value in labels.items():
        if not (_LABEL.fullmatch(key) and _LABEL.fullmatch(value) and key[:1].isalpha()):
            raise invalid(f"Label {key}={value} is not valid")
