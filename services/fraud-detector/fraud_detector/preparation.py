"""Preparing a ruleset to decide by: its histories are loaded, and what other detectors decide is followed."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

from decision_engine.history.next_features import NextFeatures
from decision_engine.history.stream_features import StreamFeatures
from decision_engine.rollout import DecidingRulesets
from fraud_detector.history.loader import load_history, load_missing, load_recent, needed_columns
from fraud_detector.history.snapshots import Snapshots, StoredHistories
from fraud_detector.history.startup import open_histories
from fraud_detector.labels.label_tasks import LabelTasks
from fraud_detector.labels.postgres_orders import OrderSource
from fraud_detector.lists.follower import ListFollower
from fraud_detector.settings import DetectorSettings
from fraud_detector.stream.health import Check, HealthState, retry_while_unavailable
from fraud_detector.stream.history_follower import HistoryFollower
from fraud_detector.stream.kafka_published_orders import KafkaPublishedOrders
from fraud_detector.stream.metrics import DetectorMetrics
from fraud_detector.stream.order_evaluator import OrderEvaluator
from fraud_detector.stream.pace import FULL_SPEED, Pace, beside_deciding
from fraud_detector.stream.recent_orders import RecentOrders
from fraud_detector.stream.ruleset_switcher import Deciding, Prepared

MEGABYTE: Final = 1_000_000
SLOW_SECONDS: Final = 60.0


class Preparation:
    """Prepares rulesets for one detector; what it connects to is closed with `stack`."""

    def __init__(
        self,
        settings: DetectorSettings,
        lists: ListFollower,
        labels: LabelTasks,
        *,
        epoch: int,
        health: HealthState,
        metrics: DetectorMetrics,
        stack: AsyncExitStack,
    ) -> None:
        self._settings = settings
        self._lists = lists
        self._labels = labels
        self._epoch = epoch
        self._health = health
        self._metrics = metrics
        self._stack = stack
        self._recent = RecentOrders()
        self._snapshots: Snapshots | None = None
        if settings.snapshots is not None:
            self._snapshots = Snapshots(
                settings.snapshots,
                topic=settings.orders_topic,
                epoch=epoch,
                every=settings.snapshot_seconds,
                most_bytes=settings.history_memory * MEGABYTE,
            )

    async def start(self, rulesets: DecidingRulesets, is_stopped: Callable[[], bool]) -> Prepared | None:
        """Prepare the rulesets that decide first; None when the detector is stopped before they are ready."""
        if not rulesets.features:
            return self._without_history(rulesets)
        return await self._with_history(rulesets, FULL_SPEED, Check.STORING, is_stopped, self._snapshots)

    async def switch(self, rulesets: DecidingRulesets, present: Prepared, deciding: Deciding) -> Prepared:
        """Prepare rulesets while others decide; they take over the histories of features that are the same.

        Nothing is loaded for features whose histories are kept of earlier rulesets, nor for none, beside which those of
        the present ones are kept. Raises RulesetError for a declared list that exists with another kind or field.
        """
        await retry_while_unavailable(
            lambda: self._lists.declare(*rulesets.rulesets),
            check=Check.LOADING,
            health=self._health,
            is_cancelled=lambda: False,
        )
        if (history := present.evaluator.history) is not None:
            prepared = Prepared(rulesets, self._evaluator(rulesets, history), present.follower)
            if not rulesets.features:
                prepared = prepared._replace(without_history=partial(self._without_history, rulesets))
            if rulesets.has_features_of(present.rulesets):
                return prepared
            following = history.prepare_known(rulesets.features)
            if following is None and rulesets.features:
                following = await self._complete_histories(history, rulesets, deciding)
            if following is not None:
                return prepared._replace(begin=partial(history.switch, following))
        if not rulesets.features:
            return self._without_history(rulesets)
        pace = beside_deciding(lambda: deciding.is_idle)
        loaded = await self._with_history(rulesets, pace, Check.LOADING, lambda: False)
        assert loaded is not None  # it is never stopped
        return loaded

    async def _complete_histories(
        self, history: StreamFeatures, rulesets: DecidingRulesets, deciding: Deciding
    ) -> NextFeatures | None:
        """Prepare the rulesets' features from the current histories and load what those lack.

        None when everything has to be loaded.
        """

        async def prepare() -> NextFeatures | None:
            following = await deciding.at_rest(lambda: history.prepare(rulesets.features))
            if following is not None and following.missing:
                await load_missing(
                    self._settings.database_url.get_secret_value(),
                    history,
                    following,
                    topic=self._settings.orders_topic,
                    epoch=self._epoch,
                    heartbeat=self._health.heartbeat,
                    pace=beside_deciding(lambda: deciding.is_idle),
                )
            return following

        return await retry_while_unavailable(
            prepare, check=Check.LOADING, health=self._health, is_cancelled=lambda: False, slow_after=SLOW_SECONDS
        )

    async def write_snapshots(self, stored: Callable[[], StoredHistories | None]) -> None:
        """Write snapshots of the histories until it is cancelled, if the settings say where."""
        if self._snapshots is not None:
            await self._snapshots.write_regularly(stored)

    def _without_history(self, rulesets: DecidingRulesets) -> Prepared:
        return Prepared(rulesets, self._evaluator(rulesets, None), None)

    async def _with_history(
        self,
        rulesets: DecidingRulesets,
        pace: Pace,
        check: Check,
        is_stopped: Callable[[], bool],
        snapshots: Snapshots | None = None,
    ) -> Prepared | None:
        def must_end() -> bool:
            self._health.heartbeat()  # loading is not being stuck
            return is_stopped()

        labels = None
        if any(feature.label for feature in rulesets.features):
            labels = await self._labels.bind(must_end)
            if labels is None:
                return None
        published = KafkaPublishedOrders(self._settings, epoch=self._epoch, observe=self._metrics.followed)
        self._stack.push_async_callback(published.close)
        retry = partial(
            retry_while_unavailable,
            check=check,
            health=self._health,
            is_cancelled=must_end,
            slow_after=SLOW_SECONDS,
        )
        database_url, topic = self._settings.database_url.get_secret_value(), self._settings.orders_topic
        opened = await open_histories(
            rulesets.features,
            published=published,
            snapshots=snapshots,
            load=partial(
                load_history,
                database_url,
                rulesets.features,
                topic=topic,
                epoch=self._epoch,
                heartbeat=self._health.heartbeat,
                pace=pace,
                most_bytes=self._settings.history_memory * MEGABYTE,
                labels=labels,
            ),
            retry=retry,
            label_epoch=labels.epoch if labels else 1,
            labels_are_kept=self._labels.are_kept if labels else None,
        )
        if opened is None:
            await published.close()
            return None
        # After where following begins was decided: what is not loaded here is followed.
        await retry(
            partial(load_recent, database_url, self._recent, topic=topic, heartbeat=self._health.heartbeat, pace=pace)
        )
        history, start, is_snapshot = opened
        label_follower = None
        if labels is not None:
            orders = OrderSource(self._settings.orders_topic, self._epoch, needed_columns(rulesets.features))
            label_follower = self._labels.follower(history, orders, labels, may_lack_stored=is_snapshot)
        follower = HistoryFollower(
            published,
            history,
            start=start,
            health=self._health,
            recent=self._recent,
            labels=None if label_follower is None else label_follower.run,
        )
        return Prepared(rulesets, self._evaluator(rulesets, history), follower)

    def _evaluator(self, rulesets: DecidingRulesets, history: StreamFeatures | None) -> OrderEvaluator:
        return OrderEvaluator(
            self._settings.event_decoder(),
            rulesets.stable,
            history,
            self._lists.members,
            rollout=rulesets.rollout,
            epoch=self._epoch,
            recent=self._recent,
        )
