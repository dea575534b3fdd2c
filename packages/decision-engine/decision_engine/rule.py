"""Rules and rulesets as they are evaluated."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from decision_engine.compilation import LISTS, Condition, FindFired, Sentence
from decision_engine.examples import Example
from decision_engine.features import Features
from decision_engine.hashed_share import hashed_share
from decision_engine.history.declaration import HistoryFeature
from decision_engine.schema import Schema
from order_contract.decision import Decision, Outcome

MAX_SCORE: Final = 100

# Python 3.11 takes ten times as long to look up a member of an enumeration as a constant.
_APPROVE: Final = Outcome.APPROVE
_REVIEW: Final = Outcome.REVIEW
_DECLINE: Final = Outcome.DECLINE

SNOOZE: Final = "snooze:"
"""Begins the names of lists whose members a rule is snoozed for: `snooze:RULE:FIELD`."""


class Mode(StrEnum):
    """Whether a rule decides, is only recorded, or is not evaluated."""

    LIVE = "live"
    SHADOW = "shadow"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `description` is the sentence for people, with `{name}` for the values that mattered.

    A hard rule has an `outcome` and a score of 0. A rule holds for orders placed from `valid_from` on and before
    `valid_before`.
    """

    id: str
    description: str
    when: str
    severity: str
    score: int
    outcome: Outcome | None
    mode: Mode
    owner: str | None
    tags: tuple[str, ...]
    valid_from: datetime | None
    valid_before: datetime | None
    notes: str | None
    condition: Condition
    sentence: Sentence
    examples: tuple[Example, ...]
    when_line: int
    """Where in its file the condition is, for warnings about it."""


class ControlGroup(NamedTuple):
    """The orders that are approved although their score would flag them: a share of all, by a hash with `salt`."""

    share: float
    salt: str

    def includes(self, order_id: str) -> bool:
        """Whether an order is in the group: the same in every ruleset with this salt."""
        return hashed_share(order_id, self.salt) < self.share


@dataclass(frozen=True, slots=True)
class Ruleset:
    """Rules in order, and the risk scores from which an order is reviewed and declined.

    `find_fired` finds which of the active rules fire, `features` are the history features that rules may use, and
    `schema` has all names. Hard rules hold for the `control` group, too; there is none when it is None.
    """

    version: str
    content: str
    review_at: int
    decline_at: int
    rules: tuple[Rule, ...]
    find_fired: FindFired
    schema: Schema
    features: tuple[HistoryFeature, ...] = ()
    control: ControlGroup | None = None
    active: tuple[Rule, ...] = field(init=False)
    """The rules that are evaluated."""
    # The last approval without a hit: orders that share their features share it, too.
    _approvals: list[Decision] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "active", tuple(rule for rule in self.rules if rule.mode is not Mode.OFF))
        self._approvals.append(Decision(_APPROVE, 0, (), {}, self.version))

    def has_features_of(self, other: "Ruleset") -> bool:
        """Whether histories of the other's features serve this one: they are the same, in name and meaning."""
        return frozenset(self.features) == frozenset(other.features)

    def approval(self, features: Features) -> Decision:
        """The decision on an order on which no rule fires."""
        approval = self._approvals[0]
        if approval.features is not features:
            # The same as the constructor, in a third of its time.
            approval = tuple.__new__(Decision, (_APPROVE, 0, (), features, self.version))
            self._approvals[0] = approval
        return approval

    def outcome(self, score: int, hard: Collection[Outcome]) -> Outcome:
        """The outcome of a score and of the outcomes of the live rules that fired: approve first, then decline."""
        if hard:
            return _APPROVE if _APPROVE in hard else _DECLINE
        if score >= self.decline_at:
            return _DECLINE
        return _REVIEW if score >= self.review_at else _APPROVE


def snoozed_rules(features: Features) -> Collection[str]:
    """The ids of the rules that are snoozed for an order."""
    lists = features.get(LISTS)
    return [name.split(":")[1] for name in lists if name.startswith(SNOOZE)] if lists else ()
