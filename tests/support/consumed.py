"""Whether a group has consumed what is on its topic."""

from aiokafka.errors import KafkaError

from order_platform.kafka.lag import LagReader
from order_platform.settings import KafkaSettings


async def consumed_everything(settings: KafkaSettings) -> bool:
    """Whether the group has committed the end of every partition of topic orders."""
    try:
        async with LagReader(settings) as reader:
            positions = await reader.read()
    except KafkaError:  # a new broker has no coordinator for the group yet
        return False
    return bool(positions) and all(position.lag == 0 for position in positions)
