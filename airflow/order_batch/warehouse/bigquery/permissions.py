"""Permissions in the project and on tables, compared with those that are needed before anything is tried."""

from collections.abc import Mapping, Sequence
from typing import Final

import google.auth
import structlog
from google.api_core.retry import Retry
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import AuthorizedSession
from google.cloud.bigquery import Client, TableReference
from requests.exceptions import RequestException

from order_batch.warehouse.bigquery.retry_policy import RESPONSE_SECONDS
from order_batch.warehouse.port import WarehouseError

log = structlog.get_logger()

_RESOURCE_MANAGER: Final = "https://cloudresourcemanager.googleapis.com"
_SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)
_USER: Final = "BigQuery User (roles/bigquery.user)"
_DATA_EDITOR: Final = "BigQuery Data Editor (roles/bigquery.dataEditor)"

IN_PROJECT: Final[Mapping[str, str]] = dict.fromkeys(
    ("bigquery.jobs.create", "bigquery.jobs.list", "bigquery.readsessions.create", "bigquery.readsessions.getData"),
    _USER,
)
"""Needed in the project, with the role that has it.

Jobs are listed to find those that an earlier process left; read sessions are what the Storage Read API reads in.
"""
TO_CREATE_DATASETS: Final[Mapping[str, str]] = {"bigquery.datasets.create": _USER}
ON_TABLES: Final[Mapping[str, str]] = dict.fromkeys(
    ("bigquery.tables.getData", "bigquery.tables.updateData", "bigquery.tables.update", "bigquery.tables.delete"),
    _DATA_EDITOR,
)
"""Needed on raw tables. An account has them in datasets that it created."""


def open_session() -> AuthorizedSession:
    """A session with the application default credentials. Raises GoogleAuthError and OSError if there are none."""
    credentials, _ = google.auth.default(scopes=_SCOPES)
    return AuthorizedSession(credentials)  # type: ignore[no-untyped-call]


class Permissions:
    """Permissions of the account that the batch side runs as."""

    def __init__(
        self, client: Client, session: AuthorizedSession, retry: Retry, resource_manager: str = _RESOURCE_MANAGER
    ) -> None:
        self._client = client
        self._session = session
        self._retry = retry
        self._resource_manager = resource_manager

    def require_in_project(self, needed: Mapping[str, str]) -> None:
        """Raises WarehouseError, naming permission and role, for one that the account lacks in the project.

        BigQuery has no such request. Where the Cloud Resource Manager API is not enabled, nothing is checked, and the
        request that needs the permission fails.
        """
        held = self._held_in_project(list(needed))
        if held is not None:
            _require(needed, held, f"project {self._client.project}", "")

    def require_on_table(self, needed: Mapping[str, str], table: TableReference) -> None:
        """The same for a table, where the project's and the dataset's permissions hold as well."""
        found = self._client.test_iam_permissions(table, list(needed), retry=self._retry, timeout=RESPONSE_SECONDS)
        where = f"dataset {table.dataset_id}, table {table.table_id}"
        _require(needed, found.get("permissions", ()), where, f" in the project or on dataset {table.dataset_id}")

    def _held_in_project(self, wanted: Sequence[str]) -> Sequence[str] | None:
        """Those of the permissions that the account has; None when that cannot be known."""
        url = f"{self._resource_manager}/v1/projects/{self._client.project}:testIamPermissions"
        try:
            response = self._session.post(url, json={"permissions": wanted}, timeout=RESPONSE_SECONDS)
            response.raise_for_status()
            held: list[str] = response.json().get("permissions", [])
        except (RequestException, GoogleAuthError) as error:
            log.info("permissions_not_checked", project=self._client.project, reason=str(error))
            return None
        return held


def _require(needed: Mapping[str, str], held: Sequence[str], where: str, at: str) -> None:
    missing = [permission for permission in needed if permission not in held]
    if missing:
        roles = " and ".join(dict.fromkeys(needed[permission] for permission in missing))
        raise WarehouseError(
            f"the account lacks {', '.join(missing)} in {where}: give it the role {roles}{at or ' in the project'}"
        )
