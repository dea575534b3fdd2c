"""Settings of the `orderwatch` command and the embedded system, from `ORDERWATCH_*`."""

import os
from pathlib import Path

from pydantic import Field

from order_contract.settings import ProcessSettings
from orderwatch.project import ROOT


def _user_cache() -> Path:
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "orderwatch"
    except RuntimeError:  # nobody's home
        return Path("/nonexistent")


class EmbeddedSettings(ProcessSettings):
    """Where the embedded system lives and listens; each field is the variable ORDERWATCH_<NAME>."""

    home: Path = Field(ROOT / ".orderwatch", description="its data, logs and passwords")
    cache: Path = Field(default_factory=_user_cache, description="what is downloaded, shared by a user's checkouts")

    api_port: int = 8000
    kafka_port: int = 19092
    kafka_controller_port: int = 19093
    postgres_port: int = 5433
    detector_port: int = Field(8001, description="health and metrics of the first detector; others take any free port")
    producer_port: int = Field(8002, description="health and metrics of the producer")
    airflow_port: int = Field(8080, description="Airflow's pages")

    producer_rate: float = Field(5.0, ge=0, description="orders per second; 0 switches the producer off")
    batch: bool = Field(True, description="whether Airflow runs, for the batch side")
    detectors: int = Field(1, ge=1, description="how many share the partitions")

    def ports(self) -> dict[str, int]:
        """The fields that are ports, by name."""
        return {name: getattr(self, name) for name in type(self).model_fields if name.endswith("_port")}

    def writable_cache(self) -> Path:
        """The cache folder, or one below `home` where that cannot be written to."""
        try:
            self.cache.mkdir(parents=True, exist_ok=True)
        except OSError:
            return self.home / "cache"
        return self.cache if os.access(self.cache, os.W_OK) else self.home / "cache"
