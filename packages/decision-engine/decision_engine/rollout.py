"""Roll-out of a ruleset: a candidate decides the orders of a share of the users, the stable ruleset all others. Pure.

Both are evaluated on every order; the decision names the one that decided, and holds what the other would have said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from decision_engine.evaluate import evaluate
from decision_engine.features import ROLLOUT, EventFeatures, Features, FeatureState
from decision_engine.hashed_share import hashed_share
from decision_engine.history.declaration import HistoryFeature, longest_window
from decision_engine.history.state import HistoryState
from decision_engine.history.stream_features import HISTORY_SINCE, TOO_LATE
from decision_engine.lists import ListFeatures, ListMembers
from decision_engine.rule import Ruleset
from decision_engine.yaml_nodes import RulesetError
from order_contract.decision import Decision
from order_contract.event import OrderEvent

EVERYONE: Final = 100


@dataclass(frozen=True, slots=True)
class Rollout:
    """A candidate for all orders, and the percentage of the users whose orders it decides already.

    Users are chosen by a hash of their id with `salt`: each is always on the same side of a percentage, and a higher
    one only moves users to the candidate.
    """

    candidate: Ruleset
    percent: int
    salt: str

    def includes(self, user_id: str) -> bool:
        """Whether the candidate decides the orders of a user."""
        return hashed_share(user_id, self.salt) * EVERYONE < self.percent


@dataclass(frozen=True, slots=True)
class DecidingRulesets:
    """The rulesets that decide: the stable one and, during a roll-out, its candidate.

    `features` are the history features of both. Raises RulesetError when they mean different things by one name.
    """

    stable: Ruleset
    rollout: Rollout | None = None
    features: tuple[HistoryFeature, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", _union(self.rulesets))

    @property
    def rulesets(self) -> tuple[Ruleset, ...]:
        """The stable ruleset, then the candidate."""
        return (self.stable,) if self.rollout is None else (self.stable, self.rollout.candidate)

    @property
    def shares(self) -> Mapping[str, float]:
        """By version, the share of the users whose orders it decides."""
        if self.rollout is None:
            return {self.stable.version: 1.0}
        share = self.rollout.percent / EVERYONE
        return {self.stable.version: 1 - share, self.rollout.candidate.version: share}

    def decides_like(self, other: "DecidingRulesets") -> bool:
        """Whether every order would be decided as by the other."""
        return _identity(self) == _identity(other)

    def has_features_of(self, other: "DecidingRulesets") -> bool:
        """Whether histories of the other's features serve these: they are the same, in name and meaning."""
        return frozenset(self.features) == frozenset(other.features)


class RolloutEvaluator:
    """Decides orders during a roll-out, each by one of the two rulesets."""

    def __init__(self, stable: Ruleset, rollout: Rollout, members: ListMembers | None) -> None:
        self._rollout = rollout
        self._shared = _LatestFeatures()
        self._stable = _Decider(stable, self._shared, members)
        self._candidate = _Decider(rollout.candidate, self._shared, members)

    def decide(self, event: OrderEvent, features: Features) -> Decision:
        """The decision by the ruleset of the order's user; its features have what the other ruleset would have said.

        The order's `features` are those of both rulesets.
        """
        self._shared.latest = features
        chosen, other = self._stable, self._candidate
        if self._rollout.includes(event.user_id):
            chosen, other = other, chosen
        decision, alternative = chosen.decide(event), other.decide(event)
        recorded = {
            "percent": self._rollout.percent,
            "other_version": alternative.ruleset_version,
            "other_outcome": alternative.outcome,
            "other_risk_score": alternative.risk_score,
        }
        return decision._replace(features={**decision.features, ROLLOUT: recorded})

    @property
    def lists_seen(self) -> int | None:
        """The number of the last change of lists that decisions see; None while no list concerns either ruleset."""
        seen = self._stable.lists_seen
        return self._candidate.lists_seen if seen is None else seen


class _LatestFeatures:
    """The FeatureState that has the features of one order, read once for both rulesets."""

    def __init__(self) -> None:
        self.latest: Features = {}

    def features(self, event: OrderEvent) -> Features:
        return self.latest


class _OwnFeatures:
    """The FeatureState of one ruleset's features, of values that were read for both rulesets.

    The same values in the same sequence as from histories of these features alone.
    """

    def __init__(self, shared: FeatureState, features: Sequence[HistoryFeature]) -> None:
        self._shared = shared
        self._declared = [feature.name for feature in features]
        self._longest = longest_window(features)
        self._state = HistoryState(features)
        self._names: Sequence[str] = ()

    def features(self, event: OrderEvent) -> Features:
        values = self._shared.features(event)
        if TOO_LATE in values:
            return {"hour": values["hour"], **_select(values, self._declared), TOO_LATE: True}
        if not self._names:
            self._names = [*self._state.values(event), "hour"]
        own = _select(values, self._names)
        since = values.get(HISTORY_SINCE)
        if since is not None and event.created_date < datetime.fromisoformat(since) + self._longest:
            own[HISTORY_SINCE] = since
        return own


class _Decider:
    """A ruleset with the state of its own features."""

    def __init__(self, ruleset: Ruleset, shared: FeatureState, members: ListMembers | None) -> None:
        self._ruleset = ruleset
        self._state: FeatureState = EventFeatures()
        if ruleset.features:
            self._state = _OwnFeatures(shared, ruleset.features)
        self._lists: ListFeatures | None = None
        if members is not None:
            self._state = self._lists = ListFeatures(self._state, members, ruleset)

    def decide(self, event: OrderEvent) -> Decision:
        return evaluate(event, self._state, self._ruleset)

    @property
    def lists_seen(self) -> int | None:
        return None if self._lists is None else self._lists.seen


def _select(values: Features, names: Sequence[str]) -> dict[str, Any]:
    return {name: values[name] for name in names}


def _union(rulesets: Sequence[Ruleset]) -> tuple[HistoryFeature, ...]:
    found: dict[str, HistoryFeature] = {}
    for ruleset in rulesets:
        for feature in ruleset.features:
            if found.setdefault(feature.name, feature) != feature:
                raise RulesetError(
                    f"feature '{feature.name}' of version {ruleset.version} has another meaning in version "
                    f"{rulesets[0].version}, and both decide during a roll-out; give it another name, or publish the "
                    "version for all users at once"
                )
    return tuple(found.values())


def _identity(rulesets: DecidingRulesets) -> object:
    rollout = rulesets.rollout
    return rulesets.stable.version, rollout and (rollout.candidate.version, rollout.percent, rollout.salt)
