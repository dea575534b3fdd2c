"""Repair of what a comparison found: loads it, builds it in ranges, publishes once, and compares again."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Final, Protocol

import psycopg

from order_batch.loads.comparison import Comparison, LifeState
from order_batch.transform.results import Build, DbtError
from order_batch.warehouse.partitions import business_dates, date_ranges, dates_text
from order_batch.warehouse.port import WarehouseError
from order_batch.warehouse.tables import PRODUCTS, USERS, Span

DATES_PER_BUILD: Final = 31
_MOST_FAILED_BUILDS: Final = 12
"""A range that fails is halved until the faulty date is alone; a fault of all dates is to end before that."""

Step = Callable[[str], None]
"""Shows which step begins."""


class Steps(Protocol):
    """The steps of the pipeline that a repair consists of."""

    def compare(self, first: date, last: date) -> list[Comparison]: ...
    def load_users(self, last: date) -> dict[str, int]: ...
    def load_products(self, last: date) -> dict[str, int]: ...
    def load_orders(self, day: date) -> dict[str, int]: ...
    def build(self, first: date, last: date) -> Build: ...
    def publish(self, *, whole: bool = False) -> dict[str, int]: ...
    def differing_marts(self) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Repair:
    """What a repair did, what failed, and how all stages compare after it."""

    loaded: Sequence[date]
    built: Sequence[date]
    errors: Sequence[str]
    compared: list[Comparison]
    marts: Sequence[str] = ()
    """Marts that are still not published as the warehouse holds them."""

    @property
    def remaining(self) -> list[Comparison]:
        """What is not clean after it."""
        return [each for each in self.compared if not each.is_clean]

    def require_success(self) -> None:
        """Raise WarehouseError, naming errors and partitions, unless everything agrees now."""
        if self.errors or self.remaining or self.marts:
            left = [f"{each.table.name} of {each.partition}: {each.state}" for each in self.remaining]
            left += [f"{mart} is not published as the warehouse holds it" for mart in self.marts]
            raise WarehouseError("; ".join([*self.errors, *left]))


def repair(steps: Steps, found: list[Comparison], first: date, last: date, step: Step) -> Repair:
    """Bring all stages of what was found between two business dates to agree. One faulty date does not stop others.

    Where all do, the published marts are compared with the warehouse, row by row, and published again if they differ.

    Raises WarehouseUnavailableError and psycopg.OperationalError: without warehouse or Postgres nothing can be done.
    """
    dirty = [each for each in found if not each.is_clean]
    if not dirty:
        if steps.differing_marts():
            step("publishing")
            steps.publish(whole=True)
        return Repair([], [], [], found, steps.differing_marts())
    errors: list[str] = []
    to_load = {each.table.name for each in dirty if each.must_load}
    for table, load in ((USERS, steps.load_users), (PRODUCTS, steps.load_products)):
        if table.name in to_load:
            step(f"loading {table.name}")
            _try(partial(load, last), f"loading {table.name}", errors)
    kept = {each.partition.start for each in dirty if each.state is LifeState.KEPT}
    dates = sorted({each.partition.start for each in dirty if each.must_load and each.table.span is Span.DAY} - kept)
    loaded = []
    for day in dates:
        step(f"loading {day}")
        if _try(partial(steps.load_orders, day), f"loading orders of {day}", errors):
            loaded.append(day)
    unbuilt = {
        each.partition.start
        for each in dirty
        if each.table.span is Span.DAY and each.state is LifeState.NOT_BUILT and each.partition.start not in dates
    }
    to_build = {*loaded, *unbuilt}
    months = [each for each in dirty if each.table.span is Span.MONTH and each.state is not LifeState.NOT_PUBLISHED]
    if months and not to_build:
        to_build = {last}  # every build makes users and products again
    built, is_tested = _build(steps, to_build, errors, step)
    if is_tested:
        step("publishing")
        _try(partial(steps.publish, whole=True), "publishing", errors)
    return Repair(loaded, built, errors, steps.compare(first, last))


def _build(steps: Steps, days: Iterable[date], errors: list[str], step: Step) -> tuple[list[date], bool]:
    """Build dates in ranges, each date once unless its range fails.

    Returns those that were built, and whether the marts passed their tests as they are now.
    """
    built: list[date] = []
    is_tested = True
    waiting = list(reversed(list(date_ranges(days, DATES_PER_BUILD))))
    failed = 0
    while waiting and failed < _MOST_FAILED_BUILDS:
        first, last = waiting.pop()
        span = dates_text(first, last)
        step(f"building {span}")
        try:
            steps.build(first, last).require_success()
        except (DbtError, WarehouseError) as error:
            failed += 1
            is_tested = False
            if first == last:
                errors.append(f"building {span}: {error}")
            else:
                middle = first + (last - first) // 2
                waiting += [(middle + timedelta(days=1), last), (first, middle)]
        else:
            built += business_dates(first, last)
            is_tested = True
    if waiting:
        errors.append(f"{failed} builds failed; the other dates were not tried")
    if built and not is_tested:
        # The failed build may have left marts that failed their tests, and has made users and products again.
        is_tested = _try(lambda: steps.build(built[-1], built[-1]).require_success(), f"building {built[-1]}", errors)
    return built, is_tested


def _try(action: Callable[[], object], what: str, errors: list[str]) -> bool:
    """Do something, and note an error that is about the data; returns whether it was done."""
    try:
        action()
    except (DbtError, WarehouseError, psycopg.DataError) as error:
        errors.append(f"{what}: {error}")
        return False
    return True
