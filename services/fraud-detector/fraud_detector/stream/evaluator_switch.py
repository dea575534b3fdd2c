"""A switch of the pipeline to another evaluator, between two batches."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from fraud_detector.stream.health import Check, HealthState, retry_while_unavailable
from fraud_detector.stream.history_follower import HistoryFollower
from fraud_detector.stream.order_evaluator import OrderEvaluator


@dataclass(slots=True)
class EvaluatorSwitch:
    """The evaluator that is to decide, and what its histories follow; `done` once it decides.

    `begin` is called immediately before, when the follower is the present one.
    """

    evaluator: OrderEvaluator
    follower: HistoryFollower | None
    begin: Callable[[], None] = lambda: None
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def take_over(
        self, partitions: Collection[int], health: HealthState, is_cancelled: Callable[[], bool]
    ) -> bool:
        """Wait until everything that was published of these partitions counts; False when it was cancelled before.

        Nothing of them is being decided, stored or published in the meantime.
        """
        follower = self.follower
        if follower is None:
            return True

        def must_end() -> bool:
            health.heartbeat()  # waiting for the histories is not being stuck
            return is_cancelled()

        has_taken = await retry_while_unavailable(
            lambda: follower.take_over(partitions, must_end),
            check=Check.OFFSETS,
            health=health,
            is_cancelled=must_end,
        )
        if has_taken and not is_cancelled():
            return True
        follower.release()
        return False
