"""Waiting until a group has consumed what is on its topic."""

from contextlib import AsyncExitStack, suppress

from aiokafka.errors import KafkaError

from order_platform.kafka.lag import LagReader
from order_platform.settings import KafkaSettings, Subscription
from tests.support.waiting import until


async def until_consumed(
    settings: KafkaSettings, what: str, within: float = 90.0, *, subscription: Subscription | None = None
) -> None:
    """Wait until the group has committed the end of every partition of its topic; fails as `until` does.

    That is topic orders, unless another `subscription` is given. One connection serves the whole wait: opening it
    costs the test and the broker more than all else.
    """
    async with AsyncExitStack() as stack:
        reader: LagReader | None = None

        async def is_consumed() -> bool:
            nonlocal reader
            try:
                if reader is None:
                    reader = await stack.enter_async_context(LagReader(settings, subscription))
                positions = await reader.read()
            except KafkaError:  # a new broker has no coordinator for the group yet, a restarted one has other ports
                reader = None
                with suppress(KafkaError):
                    await stack.aclose()
                return False
            return bool(positions) and all(position.lag == 0 for position in positions)

        await until(is_consumed, what, within)
