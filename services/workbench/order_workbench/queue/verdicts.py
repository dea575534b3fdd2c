"""The verdicts of the queue and their keys: a label with a reason each."""

from typing import Final, NamedTuple

from order_contract.label import REASONS, Label, LabelReason


class Verdict(NamedTuple):
    """A verdict as it is offered, with the keys that give it one after the other, such as `f1`."""

    keys: str
    label: Label
    reason: LabelReason

    @property
    def name(self) -> str:
        """The value of its button, such as `fraud:stolen-card`."""
        return f"{self.label}:{self.reason}"


def _offer(key: str, label: Label) -> tuple[Verdict, ...]:
    return tuple(Verdict(f"{key}{number}", label, reason) for number, reason in enumerate(REASONS[label], start=1))


VERDICTS: Final = (*_offer("f", Label.FRAUD), *_offer("l", Label.LEGITIMATE))
VERDICT_NAMES: Final = tuple(verdict.name for verdict in VERDICTS)
