"""The detector's Prometheus metrics: every name is defined here, with its help text."""

from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from enum import StrEnum
from operator import itemgetter
from typing import Final

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from decision_engine.history.stream_features import StreamFeatures
from decision_engine.lists import ListMembers
from fraud_detector.stream.batch import Batch, StoreResult
from order_contract.decision import OrderRow
from order_contract.outcomes import MessageOutcome
from order_contract.reference_data import PAYMENT_METHODS

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 3600.0)
BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
STAGE_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)

# Read so, a field of thousands of rows takes a third of the time.
_OUTCOME: Final = itemgetter(OrderRow._fields.index("outcome"))
_PAYMENT_METHOD: Final = itemgetter(OrderRow._fields.index("payment_method"))
_APPENDED_AT: Final = itemgetter(OrderRow._fields.index("appended_at"))


class Stage(StrEnum):
    """Stages of the pipeline whose time is measured."""

    POLL = "poll"
    DECIDE = "decide"
    STORE = "store"
    PUBLISH = "publish"
    COMMIT = "commit"
    WAITING = "waiting"
    """A stage before waits for room in a buffer: backpressure."""


class LatencyHistogram(Collector):
    """A histogram that takes a whole batch at once: one `observe` per order would cost more than deciding it."""

    def __init__(self, name: str, documentation: str) -> None:
        self._name = name
        self._documentation = documentation
        self._counts = [0] * (len(LATENCY_BUCKETS) + 1)
        self._sum = 0.0

    def observe(self, seconds: float, times: int) -> None:
        """Count a value that was seen that many times."""
        self._counts[bisect_left(LATENCY_BUCKETS, seconds)] += times
        self._sum += seconds * times

    def collect(self) -> Iterable[HistogramMetricFamily]:
        total, buckets = 0, []
        for bound, count in zip((*map(str, LATENCY_BUCKETS), "+Inf"), self._counts, strict=True):
            total += count
            buckets.append((bound, float(total)))
        family = HistogramMetricFamily(self._name, self._documentation)
        family.add_metric([], buckets, self._sum)
        return [family]


class DetectorMetrics:
    """The detector's metrics, in their own registry."""

    def __init__(self, known_payment_methods: Collection[str] = PAYMENT_METHODS) -> None:
        self.registry = registry = CollectorRegistry()
        self._known_payment_methods = frozenset(known_payment_methods)
        self._rulesets: Mapping[str, float] = {}
        self._consumed = Counter(
            "orderwatch_detector_messages_consumed",
            "Messages read from topic orders.",
            ["partition"],
            registry=registry,
        )
        self._outcomes = Counter(
            "orderwatch_detector_messages_recorded",
            "Messages by recorded outcome: stored, duplicate, conflict, dead-letter.",
            ["outcome"], registry=registry,
        )  # fmt: skip
        self._decisions = Counter(
            "orderwatch_detector_decisions", "Stored decisions by outcome.", ["outcome"], registry=registry
        )
        self._hits = Counter(
            "orderwatch_detector_rule_hits",
            "Rules that fired in stored decisions, by mode: live, shadow, snoozed or control.",
            ["rule", "mode"],
            registry=registry,
        )
        # One number and no name: names come from outside, and may be any.
        self._unknown_payment_methods = Counter(
            "orderwatch_detector_unknown_payment_methods",
            "Stored orders whose payment method is not a known one (ORDERWATCH_PAYMENT_METHODS adds to those).",
            registry=registry,
        )
        self._batch = Histogram(
            "orderwatch_detector_batch_messages",
            "Messages in a stored batch.",
            buckets=BATCH_BUCKETS,
            registry=registry,
        )
        self._latency = LatencyHistogram(
            "orderwatch_detector_event_to_decision_seconds",
            "From an order's append by the broker to its decision being stored.",
        )
        registry.register(self._latency)
        stages = Histogram(
            "orderwatch_detector_stage_seconds",
            "Time per stage: poll (includes waiting for messages), decide (a slice of a batch), store, publish, commit "
            "(each a batch, with retries), waiting (for room in the next buffer).",
            ["stage"],
            buckets=STAGE_BUCKETS,
            registry=registry,
        )
        self._stages = {stage: stages.labels(stage) for stage in Stage}
        self._committed = Gauge(
            "orderwatch_detector_committed_offset", "Offset to resume at.", ["partition"], registry=registry
        )
        self._lag = Gauge(
            "orderwatch_detector_lag_messages", "Messages not finished yet.", ["partition"], registry=registry
        )

        self._histories = Gauge(
            "orderwatch_detector_histories",
            "Histories in memory, one per value of a feature's key.",
            registry=registry,
        )
        self._history_bytes = Gauge(
            "orderwatch_detector_history_bytes",
            "What the histories take, about, when it was last counted, with those that are kept for a switch back; "
            "ORDERWATCH_HISTORY_MEMORY is the bound.",
            registry=registry,
        )
        self._newest_order = Gauge(
            "orderwatch_detector_history_newest_timestamp_seconds",
            "Time of the newest order in the histories.",
            registry=registry,
        )
        self._horizon = Gauge(
            "orderwatch_detector_history_since_timestamp_seconds",
            "Windows of features begin then at the earliest, as older orders had to be forgotten; 0 if none had.",
            registry=registry,
        )
        self._shortened_orders = Gauge(
            "orderwatch_detector_shortened_orders",
            "Orders since the start that were decided with windows shortened by the bound on memory.",
            registry=registry,
        )
        self._followed = Histogram(
            "orderwatch_detector_followed_seconds",
            "From the publication of a decision by another detector to its order counting here.",
            buckets=STAGE_BUCKETS,
            registry=registry,
        )
        self._late_orders = Gauge(
            "orderwatch_detector_late_orders",
            "Orders since the start that came too late for the histories to keep them.",
            registry=registry,
        )

        self._list_entries = Gauge(
            "orderwatch_detector_list_entries",
            "Entries of lists in memory, expired ones too; snoozes of a rule are a list.",
            ["list"],
            registry=registry,
        )
        self._list_change = Gauge(
            "orderwatch_detector_list_change",
            "Number of the last change of lists that decisions see.",
            registry=registry,
        )
        self._list_members = ListMembers()
        self._list_age = Gauge(
            "orderwatch_detector_list_age_seconds",
            "Time since the lists were last known to be complete; it rises while the database is unavailable.",
            registry=registry,
        )
        self._ruleset = Gauge(
            "orderwatch_detector_ruleset",
            "The share of the users whose orders the ruleset version decides: 1 without a roll-out.",
            ["version"],
            registry=registry,
        )
        self._ruleset_since = Gauge(
            "orderwatch_detector_ruleset_since_seconds",
            "Since when these ruleset versions decide here, in seconds since 1970; time() minus it is its age.",
            registry=registry,
        )
        self._ruleset_refused = Gauge(
            "orderwatch_detector_ruleset_refused",
            "1 while the active ruleset version cannot be run by this detector, which decides by the one before.",
            registry=registry,
        )

        self._rule_seconds = Summary(
            "orderwatch_detector_rule_seconds",
            "Time that a rule takes on one order, measured on one order every few seconds.",
            ["rule"],
            registry=registry,
        )
        self._feature_keys = Gauge(
            "orderwatch_detector_feature_keys",
            "Histories in memory by feature; features of one key and condition share theirs.",
            ["feature"],
            registry=registry,
        )

    def rule_times(self, seconds: Mapping[str, float]) -> None:
        """The time that each rule took on an order."""
        for rule, taken in seconds.items():
            self._rule_seconds.labels(rule).observe(taken)

    def rulesets_active(self, shares: Mapping[str, float]) -> None:
        """Orders are decided by these versions from now on, each those of a share of the users."""
        self._ruleset_refused.set(0)
        if shares != self._rulesets:
            self._rulesets = shares
            self._ruleset.clear()
            for version, share in shares.items():
                self._ruleset.labels(version).set(share)
            self._ruleset_since.set_to_current_time()

    def ruleset_refused(self) -> None:
        """The active version cannot be run."""
        self._ruleset_refused.set(1)

    def timed(self, stage: Stage) -> AbstractContextManager[object]:
        """Measure the time that a stage takes."""
        return self._stages[stage].time()

    def consumed(self, partition: int, messages: int) -> None:
        """Messages were read and decided."""
        self._consumed.labels(partition).inc(messages)

    def stored(self, batch: Batch, stored: StoreResult, at: datetime) -> None:
        """A batch was stored `at` this time."""
        self._batch.observe(len(batch))
        for outcome, count in (
            (MessageOutcome.STORED, len(stored.orders)),
            (MessageOutcome.DUPLICATE, stored.duplicates),
            (MessageOutcome.CONFLICT, len(stored.conflicts)),
            (MessageOutcome.DEAD_LETTER, len(batch.dead_letters) + len(stored.retired)),
        ):
            if count:
                self._outcomes.labels(outcome).inc(count)
        for decided, count in Counts(map(_OUTCOME, stored.orders)).items():
            self._decisions.labels(decided).inc(count)
        hits = (hit for row in stored.orders if row.rule_ids for hit in orjson.loads(row.hits))
        for (rule, mode), count in Counts((hit["rule"], hit["mode"]) for hit in hits).items():
            self._hits.labels(rule, mode).inc(count)
        for method, count in Counts(map(_PAYMENT_METHOD, stored.orders)).items():
            if method not in self._known_payment_methods:
                self._unknown_payment_methods.inc(count)
        # The broker stamps whole batches: few different times for many orders.
        for appended_at, count in Counts(map(_APPENDED_AT, stored.orders)).items():
            self._latency.observe((at - appended_at).total_seconds(), count)

    def lists(self, members: ListMembers, age: Callable[[], float]) -> None:
        """Show these members from now on, and their age, whenever metrics are read."""
        self._list_change.set_function(lambda: members.number)
        self._list_age.set_function(age)
        self._list_members = members

    def list_sizes(self) -> None:
        """Bring the sizes of lists up to date."""
        for name, size in self._list_members.sizes.items():
            self._list_entries.labels(name).set(size)

    def committed(self, offsets: Mapping[int, int]) -> None:
        """Offsets were committed."""
        for partition, offset in offsets.items():
            self._committed.labels(partition).set(offset)

    def lag(self, lags: Mapping[int, int]) -> None:
        """Messages that each assigned partition is behind; partitions that are assigned no more are dropped."""
        self._lag.clear()
        for partition, lag in lags.items():
            self._lag.labels(partition).set(lag)

    def history(self, history: StreamFeatures) -> None:
        """What the histories hold."""
        self._histories.set(history.histories)
        self._feature_keys.clear()
        for feature, keys in history.keys_by_feature.items():
            self._feature_keys.labels(feature).set(keys)
        self._history_bytes.set(history.size)
        self._newest_order.set(history.newest.timestamp())
        self._horizon.set(history.horizon.timestamp() if history.horizon else 0)
        self._late_orders.set(history.late_orders)
        self._shortened_orders.set(history.shortened_orders)

    def followed(self, seconds: float) -> None:
        """A decision of another detector counts in the histories, so long after it was published."""
        self._followed.observe(seconds)
