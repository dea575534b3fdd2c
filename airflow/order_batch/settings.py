"""Settings of the batch side, from `ORDERWATCH_*`."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from marketplace_simulator import WorldSettings
from order_platform.setting_types import FilePath, check_warehouse_file, invalid
from order_platform.settings import DatabaseSettings


class WarehouseKind(StrEnum):
    """Which warehouse."""

    DUCKDB = "duckdb"
    BIGQUERY = "bigquery"


class BatchSettings(DatabaseSettings, WorldSettings):
    """Settings of Postgres, the warehouse, dbt and alerts."""

    owner_database_url: SecretStr | None = Field(
        None, description="the database as the role that owns its tables, to retire dates and erase users"
    )
    warehouse: WarehouseKind = Field(WarehouseKind.DUCKDB, description="duckdb, or bigquery")
    warehouse_path: FilePath = Field(
        Path(".orderwatch/warehouse.duckdb"), validate_default=True, description="the DuckDB file"
    )
    warehouse_wait_seconds: float = Field(
        60.0, ge=0, le=86_400, description="how long to wait for another process that has the DuckDB file open"
    )
    published_rows: int = Field(1_000_000, gt=0, description="most rows of a mart that are published to Postgres")
    staging: FilePath = Field(
        Path(".orderwatch/staging"), description="folder for extracted files while they are loaded"
    )
    bigquery_project: str | None = Field(None, description="project that holds the datasets and pays for the jobs")
    bigquery_dataset_prefix: str = Field("orderwatch_", pattern="^[A-Za-z0-9_]*$", description="before raw, gold, ...")
    bigquery_location: str = Field("asia-southeast2", description="where the datasets are; Jakarta")
    bigquery_maximum_bytes_billed: int = Field(
        20 * 1024**3, gt=0, description="a query that would cost more is refused"
    )
    dbt_project: FilePath = Field(Path("dbt"), description="folder of the dbt project with its .venv")
    failure_webhook: SecretStr | None = Field(
        None, description="URL that alerts are posted to: failed tasks, and what DAG quality finds"
    )

    @field_validator("warehouse_path")
    @classmethod
    def _a_duckdb_file(cls, path: Path, info: ValidationInfo) -> Path:
        return path if info.data.get("warehouse") is WarehouseKind.BIGQUERY else check_warehouse_file(path)

    @field_validator("staging")
    @classmethod
    def _a_folder(cls, path: Path) -> Path:
        if path.exists() and not path.is_dir():
            raise invalid(f"{path} is not a folder; name one, such as {path.parent / 'staging'}")
        return path
