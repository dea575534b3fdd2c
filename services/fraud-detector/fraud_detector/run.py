"""Command `fraud-detector run`: the detector process."""

import asyncio
import sys

import structlog

from decision_engine.ruleset import RulesetError
from fraud_detector.app import run as run_detector
from fraud_detector.settings import DetectorSettings
from fraud_detector.stream.ports import ActionRequiredError
from order_platform.command_line.settings_errors import read_settings
from order_platform.health_server import PortTakenError
from order_platform.kafka_client_log import silence_kafka_client
from order_platform.logging import configure_logging
from order_platform.postgres.topic_epochs import RecreatedTopicError

# What an operator can fix: reported in one line, without a traceback.
_EXPECTED = (RulesetError, PortTakenError, ActionRequiredError, RecreatedTopicError)


def run() -> None:
    """Decide orders until SIGTERM, then finish what was read.

    Starting another process is scaling out: the partitions of topic orders are shared among all of one group.
    Settings come from the environment: ORDERWATCH_KAFKA, ORDERWATCH_DATABASE_URL, ORDERWATCH_RULES,
    ORDERWATCH_DETECTOR_PORT (health and metrics), and more in docs/operations.md.
    """
    settings = read_settings(DetectorSettings)
    configure_logging(settings, "fraud-detector")
    silence_kafka_client()
    try:
        asyncio.run(run_detector(settings))
    except* _EXPECTED as group:
        structlog.get_logger().error("detector_failed", problem=str(_first(group)))
        sys.exit(1)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
