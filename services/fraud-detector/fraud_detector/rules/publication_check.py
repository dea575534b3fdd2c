"""Check before publishing: the last orders decided by the new ruleset, beside the active one."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any, Final, NamedTuple

import asyncpg
from pydantic import Field

from decision_engine.ruleset import Ruleset, RulesetError, parse_ruleset
from fraud_detector.settings import RulesetSettings
from order_backtests.postgres_source import Span
from order_backtests.runner import Plan, longest_window, run_here
from order_platform.command_line.database import run_on_database
from order_platform.command_line.errors import CommandError
from order_platform.command_line.progress import progress_bar
from order_platform.postgres.ruleset_versions import read_active_version, read_content
from order_platform.settings import DatabaseSettings, KafkaSettings

MOST_HISTORY: Final = 2_000_000
"""Orders that are read for history features at most: more take minutes, which a publication is not made to wait."""

UNCHECKED: Final = "unchecked"

_MOMENT: Final = timedelta(microseconds=1)
_BOUNDS: Final = """
    select min(created_date), max(created_date), count(*) from (
        select created_date from orders where source_topic = $1 order by created_date desc limit $2
    ) as newest
"""
_HISTORY: Final = """
    select count(*) from (
        select from orders where source_topic = $1 and created_date >= $2 and created_date < $3 limit $4
    ) as history
"""


class PublicationSettings(RulesetSettings, KafkaSettings, DatabaseSettings):
    """What is checked before a ruleset is published."""

    publish_check_orders: int = Field(
        10_000, ge=0, le=1_000_000, description="how many of the last orders are decided again first; 0: none"
    )
    publish_changed_share: float = Field(
        0.05, ge=0, le=1, description="share of these with another outcome beyond which publishing wants --confirm"
    )
    publish_approval: bool = Field(
        False, description="whether only drafts are published that a second person has approved"
    )


class CheckResult(NamedTuple):
    """What the new ruleset changes: of `orders`, how many have another outcome, and how many are flagged."""

    orders: int
    changed: int
    flagged_before: int
    flagged_after: int

    def sentence(self) -> str:
        """The figures for a person."""
        return (
            f"Of the last {self.orders:,} orders, {self.changed:,} ({self.changed / self.orders:.1%}) have another "
            f"outcome than by the active version: {self.flagged_after:,} are flagged, before {self.flagged_before:,}."
        )


class _Plan(NamedTuple):
    active: Ruleset
    span: Span
    orders: int
    history: int


def check_publication(settings: PublicationSettings, ruleset: Ruleset, confirmed: str | None) -> CheckResult | None:
    """Decide the last orders by a ruleset and by the active one; None when there is nothing to compare.

    Raises CommandError when more outcomes change than the setting allows, unless `confirmed` is their number; and when
    too many orders would have to be read, unless it is "unchecked".
    """
    if not settings.publish_check_orders or confirmed == UNCHECKED:
        return None

    async def prepare(connection: asyncpg.Connection[asyncpg.Record]) -> _Plan | None:
        return await _prepare(connection, settings, ruleset)

    plan = run_on_database(settings, prepare)
    if plan is None:
        return None
    if plan.history > MOST_HISTORY:
        raise CommandError(
            f"the check would read more than {MOST_HISTORY:,} orders for history features",
            f"Nothing was published. See what changes with fraud-detector backtest, then add --confirm {UNCHECKED}.",
        )
    with progress_bar() as progress:
        task = progress.add_task("checking", total=plan.orders)
        backtest = Plan(plan.span, settings.labels_topic, ruleset.content, plan.active.content)
        tally = run_here(settings, backtest, partial(progress.advance, task))
    found = CheckResult(tally.orders, tally.changed, tally.flagged_before.orders, tally.flagged.orders)
    if found.changed > settings.publish_changed_share * found.orders and confirmed != str(found.changed):
        raise CommandError(
            f"{found.sentence()} That is more than {settings.publish_changed_share:.1%}, the share of "
            "ORDERWATCH_PUBLISH_CHANGED_SHARE.",
            f"Nothing was published. fraud-detector backtest shows the orders; if it is meant, add --confirm "
            f"{found.changed}.",
        )
    return found


def as_recorded(found: CheckResult | None, confirmed: str | None) -> dict[str, Any]:
    """What the audit log keeps of a check."""
    return {
        **({} if found is None else {"check": found._asdict()}),
        **({} if confirmed is None else {"confirmed": confirmed}),
    }


async def _prepare(
    connection: asyncpg.Connection[asyncpg.Record], settings: PublicationSettings, ruleset: Ruleset
) -> _Plan | None:
    version = await read_active_version(connection)
    if version is None or version == ruleset.version:
        return None
    content = await read_content(connection, version)
    assert content is not None  # activations refer to stored versions
    try:
        active = parse_ruleset(content, version)
    except RulesetError:
        return None  # of a newer release: detectors refuse it, and another one is urgent
    bounds = await connection.fetchrow(_BOUNDS, settings.orders_topic, settings.publish_check_orders)
    assert bounds is not None  # aggregates have a row
    first, last, orders = bounds
    if not orders:
        return None
    window = longest_window([ruleset, active])
    history = await connection.fetchval(_HISTORY, settings.orders_topic, first - window, first, MOST_HISTORY + 1)
    return _Plan(active, Span(settings.orders_topic, first, last + _MOMENT), orders, history)
