"""Settings that several processes share; each process composes its own from these. All come from `ORDERWATCH_*`.

A variable that is empty counts as one that is not set. Any secret can be given as a file: see secret_files.py.
"""

from typing import Any, Literal, NamedTuple, Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from order_platform.kafka_security import KafkaSecurity
from order_platform.postgres.database_url import add_password, check_database_url
from order_platform.secret_files import SecretFiles
from order_platform.setting_types import BrokerAddresses, LogLevel, TopicName, invalid, repeated


class ProcessSettings(BaseSettings):
    """Settings of every process: their sources, and logging."""

    model_config = SettingsConfigDict(
        env_prefix="ORDERWATCH_", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    log_level: LogLevel = Field("INFO", description="DEBUG, INFO, WARNING, ERROR or CRITICAL")
    log_format: Literal["auto", "json", "text"] = Field("auto", description="auto: text on a terminal, else JSON")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, environment, .env file, secret files: the first that has a value counts."""
        return init_settings, env_settings, dotenv_settings, SecretFiles(settings_cls)


class Subscription(NamedTuple):
    """A topic, and the consumer group that reads it."""

    topic: str
    group: str


class KafkaSettings(KafkaSecurity, ProcessSettings):
    """Addresses of the broker, and the topics' names."""

    kafka: BrokerAddresses = Field("127.0.0.1:19092", description="bootstrap servers, comma separated")
    orders_topic: TopicName = "orders"
    decisions_topic: TopicName = "decisions"
    dead_letter_topic: TopicName = "orders.dlq"
    labels_topic: TopicName = "labels"
    consumer_group: str = "fraud-detector"

    @model_validator(mode="after")
    def _one_topic_for_each_purpose(self) -> Self:
        topics = {
            "ORDERWATCH_ORDERS_TOPIC": self.orders_topic,
            "ORDERWATCH_DECISIONS_TOPIC": self.decisions_topic,
            "ORDERWATCH_DEAD_LETTER_TOPIC": self.dead_letter_topic,
            "ORDERWATCH_LABELS_TOPIC": self.labels_topic,
        }
        if (twice := repeated(topics)) is not None:
            raise invalid(f"{' and '.join(twice)} are the same topic, {topics[twice[0]]}; give each its own")
        return self

    @property
    def orders(self) -> Subscription:
        """How detectors read orders."""
        return Subscription(self.orders_topic, self.consumer_group)

    @property
    def labels(self) -> Subscription:
        """How detectors read the labels that they store."""
        return Subscription(self.labels_topic, f"{self.consumer_group}-labels")

    def client_options(self) -> dict[str, Any]:
        """Keyword arguments that every aiokafka client of the process takes."""
        return {"bootstrap_servers": self.kafka, **super().client_options()}


class DatabaseSettings(ProcessSettings):
    """Address of Postgres. `database_url` holds the password from any source."""

    database_password: SecretStr | None = Field(None, description="where the URL holds none")
    database_url: SecretStr = Field(
        SecretStr("postgresql://orderwatch@127.0.0.1:5433/orderwatch"),
        validate_default=True,
        description="postgresql://user:password@host:port/name, and ?sslmode=verify-full&sslrootcert=FILE for TLS",
    )

    @field_validator("database_url")
    @classmethod
    def _complete(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        url, password = value.get_secret_value(), info.data.get("database_password")
        try:
            check_database_url(url)
            return value if password is None else SecretStr(add_password(url, password.get_secret_value()))
        except ValueError as error:
            raise PydanticCustomError("database_url", "{problem}", {"problem": str(error)}) from None
