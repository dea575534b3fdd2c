"""Settings of the API; see `order-api serve --help`."""

from pydantic import Field

from order_contract.settings import DatabaseSettings, KafkaSettings


class ApiSettings(KafkaSettings, DatabaseSettings):
    """Where the API listens, where orders are stored, and the broker whose lag it reports."""

    api_host: str = Field("127.0.0.1", description="address to listen on")
    api_port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 takes any that is free")
