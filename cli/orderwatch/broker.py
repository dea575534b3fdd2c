"""The broker that is asked, and what to say when it does not answer."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import KafkaError

from order_platform.settings import KafkaSettings
from orderwatch.environment import how_to_reach
from orderwatch.errors import NotUpError


@contextmanager
def broker_answers(settings: KafkaSettings) -> Iterator[None]:
    """Turns a broker that does not answer into an error that says so."""
    try:
        yield
    except KafkaError as error:
        raise NotUpError(
            f"the broker at {settings.kafka} does not answer: {str(error) or type(error).__name__}",
            how_to_reach("ORDERWATCH_KAFKA"),
        ) from error
