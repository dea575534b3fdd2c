"""Services of the compose project: their addresses between containers, and the ports published on the host."""

from pathlib import Path
from typing import NamedTuple

from order_platform.settings import ProcessSettings


class Service(NamedTuple):
    """Its name in deploy/compose.yaml, which is its host's, the port where it answers, and the page that tells how."""

    name: str
    port: int
    health: str = "/readyz"


API, DETECTOR, PRODUCER = Service("api", 8000), Service("fraud-detector", 8001), Service("producer", 8002)
AIRFLOW = Service("airflow-api-server", 8080, "/api/v2/monitor/health")


class Published(ProcessSettings):
    """The ports on the host, None for what runs elsewhere; and where files for people go."""

    home: Path = Path("/var/lib/orderwatch")
    api_port: int = 8000
    airflow_port: int = 8080
    console_port: int | None = None
    kafka_port: int | None = None
    postgres_port: int | None = None
