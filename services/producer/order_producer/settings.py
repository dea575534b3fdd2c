"""The producer's settings, from `ORDERWATCH_*`."""

from pydantic import Field

from marketplace_simulator import WorldSettings
from order_platform.setting_types import Port
from order_platform.settings import KafkaSettings


class ProducerSettings(KafkaSettings, WorldSettings):
    """Settings of a producer process from its environment; the rest are options of its commands."""

    producer_host: str = "127.0.0.1"
    producer_port: Port | None = Field(
        None, description="health and metrics; 0 takes any free port, left out serves none"
    )
    drain_seconds: float = Field(10.0, gt=0, description="budget for acknowledgements still missing at a stop")
