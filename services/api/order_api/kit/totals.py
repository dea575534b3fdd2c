"""Totals of orders and shares of them: added up from groups, and as they are sent."""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, NamedTuple, Protocol

from pydantic import BaseModel, Field

from order_contract.decision import Outcome


class OutcomeCounts(BaseModel):
    """Orders by outcome."""

    approve: int
    review: int
    decline: int


class Amounts(BaseModel):
    """Sums within one currency, in its smallest unit."""

    currency: str
    total: int
    flagged: int


class Share(BaseModel):
    """A share with its 95 % interval (Wilson's)."""

    part: int
    whole: int
    value: Annotated[float | None, Field(description="null when `whole` is 0, as are `low` and `high`")]
    low: float | None
    high: float | None


class OrderGroup(Protocol):
    """Orders that have outcome and currency in common; `amount` is the sum of theirs."""

    @property
    def outcome(self) -> str: ...

    @property
    def currency(self) -> str: ...

    @property
    def orders(self) -> int: ...

    @property
    def amount(self) -> int: ...


class Totals(NamedTuple):
    """Orders and their amounts, by outcome and by currency."""

    orders: int
    flagged: int
    by_outcome: OutcomeCounts
    amounts: list[Amounts]


def add_up(groups: Iterable[OrderGroup]) -> Totals:
    """The totals of all groups."""
    outcomes: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    flagged_amounts: Counter[str] = Counter()
    for group in groups:
        outcomes[group.outcome] += group.orders
        totals[group.currency] += group.amount
        if group.outcome != Outcome.APPROVE:
            flagged_amounts[group.currency] += group.amount
    return Totals(
        outcomes.total(),
        outcomes.total() - outcomes[Outcome.APPROVE],
        OutcomeCounts(**{outcome.value: outcomes[outcome] for outcome in Outcome}),
        [
            Amounts(currency=currency, total=totals[currency], flagged=flagged_amounts[currency])
            for currency in sorted(totals)
        ],
    )
