"""Permissions: which roles have them, where they are granted, and which call needs which."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fake_bigquery.api_error import ApiError

_TABLES = {f"bigquery.tables.{each}" for each in ("create", "delete", "get", "getData", "list", "update", "updateData")}
ROLES: Mapping[str, frozenset[str]] = {
    "BigQuery Job User": frozenset({"bigquery.jobs.create"}),
    "BigQuery User": frozenset(
        {
            "bigquery.jobs.create", "bigquery.jobs.list", "bigquery.datasets.create", "bigquery.datasets.get",
            "bigquery.readsessions.create", "bigquery.readsessions.getData", "bigquery.tables.list",
        }
    ),
    "BigQuery Data Editor": frozenset({"bigquery.datasets.create", "bigquery.datasets.get", *_TABLES}),
    "BigQuery Data Owner": frozenset(
        {"bigquery.datasets.create", "bigquery.datasets.get", "bigquery.datasets.delete", *_TABLES}
    ),
}  # fmt: skip
"""Those permissions of Google's predefined roles that the calls need."""
DOCUMENTED = ("BigQuery User", "BigQuery Data Editor")

# What an account did itself, it may look at: jobs.get and jobs.getQueryResults need nothing.
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "datasets.insert": ("bigquery.datasets.create",),
    "datasets.get": ("bigquery.datasets.get",),
    "datasets.delete": ("bigquery.datasets.delete",),
    "tables.insert": ("bigquery.tables.create",),
    "tables.get": ("bigquery.tables.get",),
    "tables.patch": ("bigquery.tables.get", "bigquery.tables.update"),
    "tables.delete": ("bigquery.tables.delete",),
    "tabledata.list": ("bigquery.tables.getData",),
    "jobs.list": ("bigquery.jobs.list",),
    "jobs.query": ("bigquery.jobs.create", "bigquery.tables.getData"),
    "jobs.insert": ("bigquery.jobs.create", "bigquery.tables.update", "bigquery.tables.updateData"),
}
_DATASET = re.compile(r"`[\w-]+\.(\w+)\.\w+`")


@dataclass
class Grants:
    """What the account may do: in the project, and on datasets."""

    in_project: set[str] = field(default_factory=set)
    on_datasets: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, *roles: str, on_datasets: Mapping[str, Iterable[str]] | None = None) -> "Grants":
        """Roles in the project, and roles on datasets."""
        datasets = {name: _permissions(given) for name, given in (on_datasets or {}).items()}
        return cls(_permissions(roles), datasets)

    def held(self, wanted: Iterable[str], dataset: str | None = None) -> list[str]:
        """Those of the permissions that the account has in the project, or on a dataset."""
        there = self.in_project | self.on_datasets.get(dataset or "", set())
        return [permission for permission in wanted if permission in there]

    def own(self, dataset: str) -> None:
        """Make the account the owner of a dataset, as its creator is."""
        self.on_datasets[dataset] = _permissions(["BigQuery Data Owner"])

    def check(self, call: str, given: Mapping[str, str], body: Any) -> None:
        """Refuse a call that the account has no permission for."""
        needed = _NEEDED.get(call, ())
        dataset = given.get("datasetId")
        if call == "jobs.query" and (found := _DATASET.search(body["query"])):
            dataset = found[1]
        if call == "jobs.insert":
            dataset = body["configuration"]["load"]["destinationTable"]["datasetId"]
        for permission in needed:
            if not self.held([permission], None if permission.startswith("bigquery.jobs.") else dataset):
                raise _denied(permission)

    def check_read_session(self, dataset: str) -> None:
        """Refuse a read session of a dataset's table. Results of queries belong to the account that queried."""
        needed: dict[str, str | None] = {"bigquery.readsessions.create": None, "bigquery.readsessions.getData": None}
        if not dataset.startswith("_"):
            needed["bigquery.tables.getData"] = dataset
        for permission, where in needed.items():
            if not self.held([permission], where):
                raise _denied(permission)


def _denied(permission: str) -> ApiError:
    return ApiError(403, "accessDenied", f"Access Denied: User does not have {permission} permission")


def _permissions(roles: Iterable[str]) -> set[str]:
    return {permission for role in roles for permission in ROLES[role]}
