"""Preparing a ruleset to decide by: its histories are loaded, and what other detectors decide is followed."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Final

from decision_engine.history.stream_features import StreamFeatures
from decision_engine.ruleset import Ruleset
from fraud_detector.history.loader import LoadedHistory, load_history
from fraud_detector.lists.follower import ListFollower
from fraud_detector.settings import DetectorSettings
from fraud_detector.stream.health import Check, HealthState, retry_while_unavailable
from fraud_detector.stream.history_follower import HistoryFollower
from fraud_detector.stream.kafka_published_orders import KafkaPublishedOrders
from fraud_detector.stream.order_evaluator import OrderEvaluator
from fraud_detector.stream.ruleset_switcher import Prepared

SLOW_SECONDS: Final = 60.0
ROWS_AT_START: Final = 10_000
ROWS_BESIDE_DECIDING: Final = 500
"""Orders that are loaded before the event loop is given back: a few milliseconds of deciding."""


class Preparation:
    """Prepares rulesets for one detector; what it connects to is closed with `stack`."""

    def __init__(
        self, settings: DetectorSettings, lists: ListFollower, *, epoch: int, health: HealthState, stack: AsyncExitStack
    ) -> None:
        self._settings = settings
        self._lists = lists
        self._epoch = epoch
        self._health = health
        self._stack = stack

    async def start(self, ruleset: Ruleset, is_stopped: Callable[[], bool]) -> Prepared | None:
        """Prepare the ruleset that decides first; None when the detector is stopped before it is ready."""
        if not ruleset.features:
            return self._without_history(ruleset)
        loaded = await self._load(ruleset, ROWS_AT_START, Check.STORING, is_stopped)
        return None if loaded is None else self._with_history(ruleset, loaded)

    async def switch(self, ruleset: Ruleset, present: Prepared) -> Prepared:
        """Prepare a ruleset while another one decides; with the same features it takes over the histories.

        Raises RulesetError for a declared list that exists with another kind or field.
        """
        await retry_while_unavailable(
            lambda: self._lists.declare(ruleset), check=Check.LOADING, health=self._health, is_cancelled=lambda: False
        )
        if not ruleset.features:
            return self._without_history(ruleset)
        history = present.evaluator.history
        if history is not None and ruleset.has_features_of(present.ruleset):
            return Prepared(ruleset, self._evaluator(ruleset, history), present.follower)
        loaded = await self._load(ruleset, ROWS_BESIDE_DECIDING, Check.LOADING, lambda: False)
        assert loaded is not None  # it is never stopped
        return self._with_history(ruleset, loaded)

    async def _load(
        self, ruleset: Ruleset, rows_at_once: int, check: Check, is_stopped: Callable[[], bool]
    ) -> LoadedHistory | None:
        def must_end() -> bool:
            self._health.heartbeat()
            return is_stopped()

        return await retry_while_unavailable(
            lambda: load_history(
                self._settings.database_url.get_secret_value(),
                ruleset.features,
                topic=self._settings.orders_topic,
                epoch=self._epoch,
                heartbeat=self._health.heartbeat,
                rows_at_once=rows_at_once,
            ),
            check=check,
            health=self._health,
            is_cancelled=must_end,
            slow_after=SLOW_SECONDS,
        )

    def _without_history(self, ruleset: Ruleset) -> Prepared:
        return Prepared(ruleset, self._evaluator(ruleset, None), None)

    def _with_history(self, ruleset: Ruleset, loaded: LoadedHistory) -> Prepared:
        published = KafkaPublishedOrders(self._settings, epoch=self._epoch)
        self._stack.push_async_callback(published.close)
        follower = HistoryFollower(
            published, loaded.features, since=loaded.complete_at, now=lambda: datetime.now(UTC), health=self._health
        )
        return Prepared(ruleset, self._evaluator(ruleset, loaded.features), follower)

    def _evaluator(self, ruleset: Ruleset, history: StreamFeatures | None) -> OrderEvaluator:
        decoder = self._settings.event_decoder()
        return OrderEvaluator(decoder, ruleset, history, self._lists.members, epoch=self._epoch)
