"""Settings of the embedded system, from `ORDERWATCH_*`."""

import os
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from decision_engine.pack_mode import PackMode
from devstack.paths import HOME
from order_platform.setting_types import FilePath, Port, invalid, repeated
from order_platform.settings import ProcessSettings


def _user_cache() -> Path:
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "orderwatch"
    except RuntimeError:  # the user has no home folder
        return Path("/nonexistent")


class EmbeddedSettings(ProcessSettings):
    """Where the embedded system lives and listens; each field is the variable ORDERWATCH_<NAME>."""

    home: FilePath = Field(HOME, description="its data, logs and passwords")
    cache: FilePath = Field(default_factory=_user_cache, description="what is downloaded, shared by a user's checkouts")

    api_port: Port = 8000
    kafka_port: Port = 19092
    kafka_controller_port: Port = 19093
    postgres_port: Port = 5433
    detector_port: Port = Field(8001, description="health and metrics of the first detector; others take any free port")
    producer_port: Port = Field(8002, description="health and metrics of the producer")
    airflow_port: Port = Field(8080, description="Airflow's pages")

    producer_rate: float = Field(
        5.0, ge=0, allow_inf_nan=False, description="orders per second; 0 switches the producer off"
    )
    batch: bool = Field(True, description="whether Airflow runs, for the batch side")
    marketplace_pack: PackMode = Field(
        PackMode.SHADOW, description="off, shadow or live: the rules of the marketplace pack beside the others"
    )
    detectors: int = Field(1, ge=1, le=64, description="how many share the partitions")

    @model_validator(mode="after")
    def _one_port_for_each_process(self) -> Self:
        ports = {f"ORDERWATCH_{name.upper()}": port for name, port in self.ports().items() if port}
        if (twice := repeated(ports)) is not None:
            raise invalid(f"{' and '.join(twice)} are the same port, {ports[twice[0]]}; give each its own")
        return self

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
