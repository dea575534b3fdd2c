"""Tally of a backtest: what changed, what each rule did, and, where labels are, whether that was right.

Tallies of parts of the orders add up, so that several processes can count.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from itertools import combinations
from typing import Final, NamedTuple

from decision_engine.expression import names_in
from decision_engine.history.declaration import ATTRIBUTE
from decision_engine.history.labelled_orders import COUNTED_AS
from decision_engine.proportion import Proportion
from decision_engine.rule import Mode, Ruleset
from order_contract.business_time import business_date
from order_contract.decision import Decision, Outcome, RuleHit
from order_contract.event import OrderEvent
from order_contract.label import Label

MOST_EXAMPLES: Final = 20
NOISY_SHARE: Final = 0.05
"""A rule that fires on more orders than this share is noisy."""

_POSITIONS: Final = {name: position for position, name in enumerate(OrderEvent._fields)}


class Bucket(StrEnum):
    """An outcome and a label together, as an analyst thinks of them."""

    CAUGHT_FRAUD = "caught-fraud"
    MISSED_FRAUD = "missed-fraud"
    STOPPED_CUSTOMER = "stopped-customer"
    """A legitimate order that is flagged."""
    FREED_CUSTOMER = "freed-customer"
    """A legitimate order that was flagged, and is not any more."""
    NOT_LABELLED = "not-labelled"
    """A flagged order without a label."""


@dataclass(slots=True)
class Amount:
    """A number of orders, and the sums of their amounts by currency, in its smallest unit."""

    orders: int = 0
    money: Counter[str] = field(default_factory=Counter)

    def add(self, event: OrderEvent) -> None:
        self.orders += 1
        self.money[event.currency] += event.amount

    def merge(self, other: "Amount") -> None:
        self.orders += other.orders
        self.money.update(other.money)


@dataclass(slots=True)
class RuleTally:
    """The orders on which a rule fires: all, those where no other rule does, and those with labels."""

    hits: Amount = field(default_factory=Amount)
    alone: int = 0
    fraud: Amount = field(default_factory=Amount)
    legitimate: Amount = field(default_factory=Amount)

    def merge(self, other: "RuleTally") -> None:
        self.hits.merge(other.hits)
        self.alone += other.alone
        self.fraud.merge(other.fraud)
        self.legitimate.merge(other.legitimate)

    @property
    def precision(self) -> Proportion:
        """The fraud among its labelled hits."""
        return Proportion(self.fraud.orders, self.fraud.orders + self.legitimate.orders)


@dataclass(slots=True)
class DayTally:
    """The orders of a business date by their outcome before and after."""

    before: Counter[Outcome] = field(default_factory=Counter)
    after: Counter[Outcome] = field(default_factory=Counter)


class Example(NamedTuple):
    """An order whose outcome changes. `hits` are those of the ruleset that is tried."""

    rank: bytes
    """Decides which orders are examples: the same ones however the orders were divided."""
    order_id: str
    amount: int
    currency: str
    before: Outcome
    after: Outcome
    label: Label | None
    hits: Sequence[RuleHit]


class Tally:
    """Counts decisions of a ruleset on past orders, beside the outcomes that they had."""

    def __init__(self, ruleset: Ruleset) -> None:
        self.orders = 0
        self.labels: Counter[str] = Counter()
        self.days: dict[date, DayTally] = {}
        self.changes: dict[tuple[Outcome, Outcome], Amount] = {}
        self.flagged = Amount()
        self.flagged_before = Amount()
        self.buckets = {bucket: Amount() for bucket in Bucket}
        self.buckets_before = {bucket: Amount() for bucket in Bucket}
        self.rules = {rule.id: RuleTally() for rule in ruleset.rules if rule.mode is not Mode.OFF}
        self.overlaps: Counter[tuple[str, str]] = Counter()
        self.uncarried = _optional_names(ruleset)
        """Optional fields and attributes that rules or features use, and no order has."""
        self.examples: list[Example] = []

    def add(self, event: OrderEvent, before: Outcome, after: Decision, label: Label | None) -> None:
        """Count an order: the outcome that it had, the decision on it now, and its current label."""
        self.orders += 1
        outcome = after.outcome
        day = business_date(event.created_date)
        counts = self.days.get(day)
        if counts is None:
            counts = self.days[day] = DayTally()
        counts.before[before] += 1
        counts.after[outcome] += 1
        if self.uncarried:
            self.uncarried -= {name for name in self.uncarried if _carries(event, name)}
        is_fraud = None
        if label is not None:
            counted = COUNTED_AS[label]
            self.labels[counted] += 1
            is_fraud = counted == Label.FRAUD
        was_flagged, flagged = before is not Outcome.APPROVE, outcome is not Outcome.APPROVE
        if was_flagged or flagged or label is not None:
            self._add_buckets(event, is_fraud, was_flagged=was_flagged, flagged=flagged)
        if outcome is not before:
            self._add_change(event, before, after, label)
        if after.hits:
            self._add_hits(event, after.hits, is_fraud=is_fraud)

    def _add_buckets(self, event: OrderEvent, is_fraud: bool | None, *, was_flagged: bool, flagged: bool) -> None:
        if was_flagged:
            self.flagged_before.add(event)
        if flagged:
            self.flagged.add(event)
        bucket = _bucket(is_fraud, flagged=flagged, was_flagged=was_flagged)
        if bucket is not None:
            self.buckets[bucket].add(event)
        bucket = _bucket(is_fraud, flagged=was_flagged, was_flagged=False)
        if bucket is not None:
            self.buckets_before[bucket].add(event)

    def _add_change(self, event: OrderEvent, before: Outcome, after: Decision, label: Label | None) -> None:
        self.changes.setdefault((before, after.outcome), Amount()).add(event)
        rank = hashlib.blake2b(event.order_id.encode(), digest_size=8).digest()
        if len(self.examples) < MOST_EXAMPLES or rank < self.examples[-1].rank:
            self._keep_examples(
                [Example(rank, event.order_id, event.amount, event.currency, before, after.outcome, label, after.hits)]
            )

    def _keep_examples(self, more: Iterable[Example]) -> None:
        self.examples = sorted([*self.examples, *more], key=lambda each: each.rank)[:MOST_EXAMPLES]

    def _add_hits(self, event: OrderEvent, hits: Sequence[RuleHit], *, is_fraud: bool | None) -> None:
        for hit in hits:
            counts = self.rules[hit["rule"]]
            counts.hits.add(event)
            if is_fraud is not None:
                (counts.fraud if is_fraud else counts.legitimate).add(event)
        if len(hits) == 1:
            self.rules[hits[0]["rule"]].alone += 1
        else:
            self.overlaps.update(combinations([hit["rule"] for hit in hits], 2))

    def merge(self, other: "Tally") -> None:
        """Count what another tally of the same ruleset counted, on other orders."""
        self.orders += other.orders
        self.labels.update(other.labels)
        for day, counts in other.days.items():
            mine = self.days.setdefault(day, DayTally())
            mine.before.update(counts.before)
            mine.after.update(counts.after)
        for change, amount in other.changes.items():
            self.changes.setdefault(change, Amount()).merge(amount)
        self.flagged.merge(other.flagged)
        self.flagged_before.merge(other.flagged_before)
        for bucket in Bucket:
            self.buckets[bucket].merge(other.buckets[bucket])
            self.buckets_before[bucket].merge(other.buckets_before[bucket])
        for name, rule in other.rules.items():
            self.rules[name].merge(rule)
        self.overlaps.update(other.overlaps)
        self.uncarried &= other.uncarried
        self._keep_examples(other.examples)

    # ---- what follows from the counts

    @property
    def changed(self) -> int:
        """The orders whose outcome changes."""
        return sum(amount.orders for amount in self.changes.values())

    @property
    def precision(self) -> Proportion:
        """The fraud among the labelled orders that are flagged."""
        return _precision(self.buckets)

    @property
    def recall(self) -> Proportion:
        """The flagged orders among those that are labelled fraud."""
        return _recall(self.buckets)

    @property
    def precision_before(self) -> Proportion:
        return _precision(self.buckets_before)

    @property
    def recall_before(self) -> Proportion:
        return _recall(self.buckets_before)

    def recall_of(self, rule_id: str) -> Proportion:
        """The fraud on which a rule fires, among all that is labelled fraud."""
        return Proportion(self.rules[rule_id].fraud.orders, self.labels[Label.FRAUD])

    @property
    def silent_rules(self) -> Sequence[str]:
        """The rules that fire on no order."""
        return [name for name, counts in self.rules.items() if not counts.hits.orders]

    @property
    def noisy_rules(self) -> Sequence[str]:
        """The rules that fire on more than a twentieth of the orders."""
        most = self.orders * NOISY_SHARE
        return [name for name, counts in self.rules.items() if counts.hits.orders > most]


def _optional_names(ruleset: Ruleset) -> set[str]:
    """The names of what an order may lack that rules look at, themselves or by features."""
    names: set[str] = set()
    for rule in ruleset.active:
        names.update(names_in(rule.when))
    names.update(ruleset.schema.lists[name].field for name in names & ruleset.schema.lists.keys())
    for feature in ruleset.features:
        if feature.name in names:
            names.update(feature.key, [feature.field] if feature.field else [], names_in(feature.where or "True"))
    return {name for name in names if name in ruleset.schema.optional or name.startswith(ATTRIBUTE)}


def _bucket(is_fraud: bool | None, *, flagged: bool, was_flagged: bool) -> Bucket | None:
    if is_fraud is None:
        return Bucket.NOT_LABELLED if flagged else None
    if is_fraud:
        return Bucket.CAUGHT_FRAUD if flagged else Bucket.MISSED_FRAUD
    if flagged:
        return Bucket.STOPPED_CUSTOMER
    return Bucket.FREED_CUSTOMER if was_flagged else None


def _precision(buckets: dict[Bucket, Amount]) -> Proportion:
    caught = buckets[Bucket.CAUGHT_FRAUD].orders
    return Proportion(caught, caught + buckets[Bucket.STOPPED_CUSTOMER].orders)


def _recall(buckets: dict[Bucket, Amount]) -> Proportion:
    caught = buckets[Bucket.CAUGHT_FRAUD].orders
    return Proportion(caught, caught + buckets[Bucket.MISSED_FRAUD].orders)


def _carries(event: OrderEvent, name: str) -> bool:
    if name.startswith(ATTRIBUTE):
        return (event.attributes or {}).get(name.removeprefix(ATTRIBUTE)) is not None
    return event[_POSITIONS[name]] is not None
