"""Models in BigQuery: each table and view has its version as a label, and so loses it when it is replaced."""

from collections.abc import Iterable, Iterator, Mapping

from google.api_core.exceptions import NotFound
from google.cloud.bigquery import Client, DatasetReference
from google.cloud.bigquery.table import TableListItem

from order_batch.warehouse.bigquery.retry_policy import RESPONSE_SECONDS, RetryPolicy
from order_batch.warehouse.bigquery.schema import LABELS
from order_batch.warehouse.models import UNRECORDED, BuiltModel

VERSION = "model_version"


class Models:
    """The models in some datasets, by layer."""

    def __init__(self, client: Client, retry_policy: RetryPolicy, datasets: Mapping[str, DatasetReference]) -> None:
        self._client = client
        self._retry = retry_policy.retry()
        self._datasets = datasets

    def read(self) -> list[BuiltModel]:
        """What dbt built."""
        found = [
            BuiltModel(layer, item.table_id, item.table_type == "VIEW", item.labels.get(VERSION))
            for layer, item in self._items()
        ]
        return sorted(model for model in found if model.version is not None or model.name in UNRECORDED)

    def record(self, versions: Mapping[str, str]) -> None:
        """Label models that were built with their versions."""
        for _, item in self._items():
            version = versions.get(item.table_id)
            if version is None or item.labels.get(VERSION) == version:
                continue
            try:
                table = self._client.get_table(item.reference, retry=self._retry, timeout=RESPONSE_SECONDS)
                table.labels = {**table.labels, **LABELS, VERSION: version}
                self._client.update_table(table, ["labels"], retry=self._retry, timeout=RESPONSE_SECONDS)
            except NotFound:  # another run has dropped or replaced it in the meantime
                continue

    def drop(self, models: Iterable[BuiltModel]) -> None:
        """Drop these models."""
        for model in models:
            path = self._datasets[model.layer].table(model.name)
            self._client.delete_table(path, not_found_ok=True, retry=self._retry, timeout=RESPONSE_SECONDS)

    def _items(self) -> Iterator[tuple[str, TableListItem]]:
        for layer, dataset in self._datasets.items():
            for item in self._client.list_tables(dataset, retry=self._retry, timeout=RESPONSE_SECONDS):
                yield layer, item
