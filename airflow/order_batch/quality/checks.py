"""Checks of a business date against the dates before it. Pure: figures in, findings out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from math import sqrt
from statistics import median
from typing import Final

from order_contract.business_time import BUSINESS_ZONE

HISTORY_DAYS: Final = 28
"""Dates before the checked one that its figures are compared with."""
_LEAST_HISTORY: Final = 7
_WIDTH: Final = 4.0
"""Half the width of a band, in standard deviations."""
_DEVIATIONS_PER_MAD: Final = 1.4826
"""The standard deviation of normally distributed values, from the median of their distances to their median."""
_LEAST_VOLUME_DEVIATION: Final = 0.10
_LEAST_SHARE_DEVIATION: Final = 0.005
_MOST_UNKNOWN: Final = 0.01


@dataclass(frozen=True, slots=True)
class DayFigures:
    """Orders of a business date."""

    day: date
    orders: int
    fraud_orders: int

    @property
    def fraud_share(self) -> float:
        """Share of the orders that were decided as fraud."""
        return self.fraud_orders / self.orders


@dataclass(frozen=True, slots=True)
class UnknownShares:
    """Orders of a business date, and those whose user or product the catalog does not have."""

    orders: int
    unknown_users: int
    unknown_products: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to look at: which check, for which date, with its numbers and what to do."""

    check: str
    day: date
    message: str
    advice: str

    def text(self) -> str:
        """The finding as an alert."""
        return f"{self.day}: {self.message}\nWhat to do: {self.advice}"


@dataclass(frozen=True, slots=True)
class Band:
    """The values that past dates lead one to expect."""

    center: float
    low: float
    high: float
    days: int

    @classmethod
    def of(cls, values: Sequence[float], least_deviation: float) -> "Band":
        """Around the median, as wide as the values scatter: one odd day among them hardly moves it."""
        center = median(values)
        scatter = _DEVIATIONS_PER_MAD * median(abs(value - center) for value in values)
        half = _WIDTH * max(scatter, least_deviation)
        return cls(center, max(center - half, 0.0), center + half, len(values))

    def holds(self, value: float) -> bool:
        """Whether a value is in it."""
        return self.low <= value <= self.high


def check_orders(day: date, figures: Sequence[DayFigures]) -> Iterator[Finding]:
    """Volume and fraud share of a date, against those of the dates before it that had orders.

    A system without any order up to that date is new: it has no findings.
    """
    past = [each for each in figures if each.day < day and each.orders]
    found = next((each for each in figures if each.day == day and each.orders), None)
    if found is None:
        if past:
            yield Finding(
                "no-orders", day, f"no orders; the {len(past)} dates before it had "
                f"{median(each.orders for each in past):,.0f} as their median",
                "look at `make lag` and `make status`: does the producer publish, and do the detectors run? Orders "
                "that arrive late are loaded by the DAG `reconcile`.",
            )  # fmt: skip
        return
    if len(past) < _LEAST_HISTORY:
        return
    counts = [float(each.orders) for each in past]
    center = median(counts)
    volume = Band.of(counts, max(_LEAST_VOLUME_DEVIATION * center, sqrt(center)))
    if not volume.holds(found.orders):
        yield Finding(
            "volume", day, f"{found.orders:,} orders; expected are {volume.low:,.0f} to {volume.high:,.0f}, "
            f"from the median of {volume.center:,.0f} of {volume.days} dates before it",
            "too few: `make lag` for detectors that are behind, then the publisher of the orders. Too many: look for a "
            "replay or a campaign, with `make flags` for the users and products that stand out.",
        )  # fmt: skip
    shares = [each.fraud_share for each in past]
    typical = median(shares)
    chance = sqrt(typical * (1 - typical) / found.orders)
    share = Band.of(shares, max(_LEAST_SHARE_DEVIATION, chance))
    if not share.holds(found.fraud_share):
        yield Finding(
            "fraud-share", day, f"{found.fraud_share:.1%} of {found.orders:,} orders decided as fraud; expected are "
            f"{share.low:.1%} to {share.high:.1%}, from the median of {share.center:.1%} of {share.days} dates before",
            "was the ruleset changed? Orders have the version that decided them (`make order ID=...`). If not, "
            "`make flags` shows which rules fire, and for which users.",
        )  # fmt: skip


def check_unknown(day: date, shares: UnknownShares) -> Iterator[Finding]:
    """Orders whose user or product is not in the catalog: their names are null in the marts."""
    for kind, unknown in (("users", shares.unknown_users), ("products", shares.unknown_products)):
        if shares.orders and unknown / shares.orders > _MOST_UNKNOWN:
            yield Finding(
                f"unknown-{kind}", day, f"{unknown:,} of {shares.orders:,} orders ({unknown / shares.orders:.1%}) are "
                f"of {kind} that the catalog does not have; at most {_MOST_UNKNOWN:.0%} are expected",
                "run the DAG `catalog`, whose task `fill_gaps` adds what is missing, then `warehouse_load` for the "
                "date. If that changes nothing, the orders come from another source: ORDERWATCH_WORLD_SEED must be "
                "the producer's.",
            )  # fmt: skip


def check_deadline(day: date, orders: int, *, published: bool, deadline: str) -> Iterator[Finding]:
    """Whether the marts have a date that had orders."""
    if orders and not published:
        yield Finding(
            "deadline", day, f"its {orders:,} orders are not in the published marts at {deadline} {BUSINESS_ZONE}",
            "in Airflow, look at the runs of `warehouse_load` and `transform` for the date: repair what failed, and "
            "clear it. Without a run for the date, Airflow was down: trigger `warehouse_load` with the date as "
            f"partition key, or run `make batch DATE={day}`.",
        )  # fmt: skip
