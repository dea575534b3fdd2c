"""What is active: a ruleset version and, during a roll-out, its candidate."""

from typing import Any, NamedTuple


class RulesetPointer(NamedTuple):
    """The active version and, during a roll-out, the candidate for `percent` of the users, chosen by `salt`."""

    version: str
    candidate: str | None = None
    percent: int | None = None
    salt: str | None = None

    def as_document(self) -> dict[str, Any]:
        """The version, and the candidate with its percentage during a roll-out, by their names."""
        rollout = {} if self.candidate is None else {"candidate": self.candidate, "percent": self.percent}
        return {"active": self.version, **rollout}
