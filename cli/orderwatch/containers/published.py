"""The services as they find each other inside, and where they are published on the host."""

from pathlib import Path
from typing import NamedTuple

from order_contract.settings import ProcessSettings


class Service(NamedTuple):
    """Its name in deploy/compose.yaml, which is its host's, and the port where it answers on /readyz."""

    name: str
    port: int


API, DETECTOR, PRODUCER = Service("api", 8000), Service("fraud-detector", 8001), Service("producer", 8002)


class Published(ProcessSettings):
    """The ports on the host, None for what runs elsewhere; and where files for people go."""

    home: Path = Path("/var/lib/orderwatch")
    api_port: int = 8000
    console_port: int | None = None
    kafka_port: int | None = None
    postgres_port: int | None = None
