"""A dependency that dies while no order comes is noticed all the same, and its return too."""

import uuid
from pathlib import Path

import pytest

from devstack.kafka import EmbeddedKafka
from devstack.postgres import EmbeddedPostgres
from order_platform.kafka.topics import ensure_topics
from order_platform.settings import KafkaSettings
from tests.faults.database import new_database
from tests.support.detector import DetectorProcess
from tests.support.waiting import eventually


@pytest.mark.integration
async def test_a_quiet_detector_is_not_ready_while_a_dependency_is_dead(
    private_kafka: EmbeddedKafka, private_postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    settings = KafkaSettings(kafka=private_kafka.bootstrap_servers, consumer_group=f"g-{uuid.uuid4().hex[:8]}")
    await ensure_topics(settings)
    with DetectorProcess(settings, await new_database(private_postgres), tmp_path / "detector.log") as detector:
        eventually(lambda: detector.get("/readyz")[0] == 200, "the detector to be ready")
        for server, name in ((private_postgres, "database"), (private_kafka, "broker")):
            server.kill()
            eventually(lambda: detector.get("/readyz")[0] == 503, f"the detector to notice that the {name} is dead")
            assert name in detector.get("/readyz")[1]
            assert detector.get("/healthz")[0] == 200
            server.start()
            eventually(lambda: detector.get("/readyz")[0] == 200, f"the {name} to be noticed again")
        assert detector.terminate() == 0
