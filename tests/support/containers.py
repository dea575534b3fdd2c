"""The real broker and database as containers, where an engine answers: ORDERWATCH_TEST_BACKEND=containers."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from tests.support.ports import free_port

KAFKA_IMAGE = os.environ.get("ORDERWATCH_TEST_KAFKA_IMAGE", "apache/kafka:4.1.0")
POSTGRES_IMAGE = os.environ.get("ORDERWATCH_TEST_POSTGRES_IMAGE", "postgres:17")


@contextmanager
def broker() -> Iterator[str]:
    """Bootstrap servers of a broker that is removed afterwards."""
    # The same port inside and outside: clients are sent back to the address that the broker advertises.
    port = free_port()
    container = (
        DockerContainer(KAFKA_IMAGE)
        .with_bind_ports(port, port)
        .with_envs(
            KAFKA_NODE_ID="1",
            KAFKA_PROCESS_ROLES="broker,controller",
            KAFKA_CONTROLLER_QUORUM_VOTERS="1@127.0.0.1:9093",
            KAFKA_CONTROLLER_LISTENER_NAMES="CONTROLLER",
            KAFKA_LISTENERS=f"PLAINTEXT://:{port},CONTROLLER://127.0.0.1:9093",
            KAFKA_ADVERTISED_LISTENERS=f"PLAINTEXT://127.0.0.1:{port}",
            KAFKA_AUTO_CREATE_TOPICS_ENABLE="false",
            KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR="1",
            KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS="4",
            KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR="1",
            KAFKA_TRANSACTION_STATE_LOG_MIN_ISR="1",
            KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS="0",
        )
        .waiting_for(LogMessageWaitStrategy("Kafka Server started"))
    )
    with container:
        yield f"127.0.0.1:{port}"


@contextmanager
def postgres() -> Iterator[str]:
    """A superuser's URL of a database server that is removed afterwards."""
    with PostgresContainer(POSTGRES_IMAGE, username="orderwatch", dbname="postgres", driver=None) as container:
        yield container.get_connection_url()
