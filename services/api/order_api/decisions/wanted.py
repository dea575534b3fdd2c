"""Which decisions a listener wants."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson

from order_contract.decision import Outcome


class Traits(NamedTuple):
    """What a decision is chosen by; a message that is no decision has none."""

    outcome: str | None = None
    status: str | None = None
    user_id: str | None = None
    risk_score: int = -1
    rules: frozenset[str] = frozenset()

    @property
    def flagged(self) -> bool | None:
        """Whether it is flagged, None of what is no decision."""
        return None if self.outcome is None else self.outcome != Outcome.APPROVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Filters, all of which must hold; None asks for nothing."""

    flagged: bool | None = None
    outcome: str | None = None
    status: str | None = None
    user_id: str | None = None
    rule: str | None = None
    min_risk_score: int | None = None
    masked: bool = False
    """Send them without personal data."""

    def matches(self, traits: Traits) -> bool:
        """Whether a decision with these traits is wanted."""
        return (
            (self.user_id is None or traits.user_id == self.user_id)
            and (self.flagged is None or traits.flagged == self.flagged)
            and (self.outcome is None or traits.outcome == self.outcome)
            and (self.status is None or traits.status == self.status)
            and (self.rule is None or self.rule in traits.rules)
            and (self.min_risk_score is None or traits.risk_score >= self.min_risk_score)
        )


EVERYTHING: Final = Wanted()


def traits_of(value: bytes) -> Traits:
    """The traits in a message's value, whatever it is."""
    try:
        decision: dict[str, Any] = orjson.loads(value)
        return Traits(
            decision["outcome"],
            decision["status"],
            decision["user_id"],
            int(decision["risk_score"]),
            frozenset(hit["rule"] for hit in decision["hits"]),
        )
    except (ValueError, TypeError, KeyError):
        return Traits()
