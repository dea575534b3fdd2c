"""The log of the Kafka client; apart from logging.py, whose imports take a tenth of a second that not all need."""

import logging


def silence_kafka_client() -> None:
    """Keep aiokafka from logging errors many times a second while a broker is unavailable: the process logs it once."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
