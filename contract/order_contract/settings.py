"""Settings that several processes share; each process composes its own from these. All come from `ORDERWATCH_*`."""

from typing import Any

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ProcessSettings(BaseSettings):
    """Common ground: where settings come from, and how the process logs."""

    model_config = SettingsConfigDict(env_prefix="ORDERWATCH_", extra="ignore", frozen=True)

    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")
    log_format: str = Field("auto", pattern="^(auto|json|text)$", description="auto: text on a terminal, else JSON")


class KafkaSettings(ProcessSettings):
    """How to reach the broker, and the topics' names."""

    kafka: str = Field("127.0.0.1:19092", description="bootstrap servers, comma separated")
    orders_topic: str = "orders"
    decisions_topic: str = "decisions"
    dead_letter_topic: str = "orders.dlq"
    consumer_group: str = "fraud-detector"

    def client_options(self) -> dict[str, Any]:
        """Keyword arguments that every aiokafka client of the process takes."""
        return {"bootstrap_servers": self.kafka}


class DatabaseSettings(ProcessSettings):
    """How to reach Postgres."""

    database_url: SecretStr = Field(
        SecretStr("postgresql://orderwatch@127.0.0.1:5433/orderwatch"),
        description="postgresql://user:password@host:port/name",
    )
