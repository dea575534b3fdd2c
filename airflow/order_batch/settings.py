"""Settings of the batch side, from `ORDERWATCH_*`: the same names as everywhere, and where the warehouse is."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field, SecretStr

from order_contract.settings import DatabaseSettings
from order_contract.world import WorldSettings


class WarehouseKind(StrEnum):
    """Which warehouse."""

    DUCKDB = "duckdb"
    BIGQUERY = "bigquery"


class BatchSettings(DatabaseSettings, WorldSettings):
    """Where Postgres and the warehouse are."""

    warehouse: WarehouseKind = Field(WarehouseKind.DUCKDB, description="duckdb, or bigquery")
    warehouse_path: Path = Field(Path(".orderwatch/warehouse.duckdb"), description="the DuckDB file")
    published_rows: int = Field(1_000_000, gt=0, description="most rows of a mart that are published to Postgres")
    staging: Path = Field(Path(".orderwatch/staging"), description="folder for extracted files while they are loaded")
    bigquery_project: str | None = Field(None, description="project that holds the datasets and pays for the jobs")
    bigquery_dataset_prefix: str = Field("orderwatch_", pattern="^[A-Za-z0-9_]*$", description="before raw, gold, ...")
    bigquery_location: str = Field("asia-southeast2", description="where the datasets are; Jakarta")
    bigquery_maximum_bytes_billed: int = Field(
        20 * 1024**3, gt=0, description="a query that would cost more is refused"
    )
    dbt_project: Path = Field(Path("dbt"), description="folder of the dbt project with its .venv")
    failure_webhook: SecretStr | None = Field(None, description="URL that is told of failed tasks")
