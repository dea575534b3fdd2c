"""Check before publishing: the last orders decided by the new ruleset, beside the active one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple

from decision_engine.ruleset import Ruleset, RulesetError, parse_ruleset
from order_backtests.extent import count_before
from order_backtests.postgres_source import Span
from order_backtests.publication.settings import PublicationSettings
from order_platform.command_line.errors import CommandError
from order_platform.postgres.ruleset_versions import Connection, read_active_version, read_content

MOST_HISTORY: Final = 2_000_000
"""Orders that are read for history features at most: more take minutes, which a publication is not made to wait."""

UNCHECKED: Final = "unchecked"
"""The confirmation that leaves the check out."""

_MOMENT: Final = timedelta(microseconds=1)
_BOUNDS: Final = """
    select min(created_date), max(created_date), count(*) from (
        select created_date from orders where source_topic = $1 order by created_date desc limit $2
    ) as newest
"""


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

    def needs_confirmation(self, settings: PublicationSettings, confirmed: str | None) -> bool:
        """Whether more outcomes change than the setting allows, and `confirmed` is not their number."""
        return self.changed > settings.publish_changed_share * self.orders and confirmed != str(self.changed)

    def too_many_changes(self, settings: PublicationSettings) -> str:
        """Why a confirmation is needed, for a person."""
        return (
            f"{self.sentence()} That is more than {settings.publish_changed_share:.1%}, the share of "
            "ORDERWATCH_PUBLISH_CHANGED_SHARE."
        )


class CheckPlan(NamedTuple):
    """The active ruleset, with which a new one is compared, the span of the last orders, and how many they are."""

    active: Ruleset
    span: Span
    orders: int


async def plan_check(
    connection: Connection,
    settings: PublicationSettings,
    topic: str,
    ruleset: Ruleset,
    confirmed: str | None,
) -> CheckPlan | None:
    """How a ruleset is checked; None when it is to be published unchecked, or there is nothing to compare with.

    Raises CommandError when more than MOST_HISTORY orders would have to be read.
    """
    if not settings.publish_check_orders or confirmed == UNCHECKED:
        return None
    plan = await plan_newest(connection, topic, ruleset, settings.publish_check_orders)
    if plan is None:
        return None
    if await count_before(connection, plan.span, [ruleset, plan.active], MOST_HISTORY) > MOST_HISTORY:
        raise CommandError(f"the check would read more than {MOST_HISTORY:,} orders for history features")
    return plan


async def plan_newest(connection: Connection, topic: str, ruleset: Ruleset, most: int) -> CheckPlan | None:
    """How a ruleset is compared with the active one on the newest orders; None when there is nothing to compare."""
    version = await read_active_version(connection)
    if version is None or version == ruleset.version:
        return None
    content = await read_content(connection, version)
    assert content is not None  # activations refer to stored versions
    try:
        active = parse_ruleset(content, version)
    except RulesetError:
        return None  # of a newer release: detectors refuse it, and another one is urgent
    bounds = await connection.fetchrow(_BOUNDS, topic, most)
    assert bounds is not None  # aggregates have a row
    first, last, orders = bounds
    return CheckPlan(active, Span(topic, first, last + _MOMENT), orders) if orders else None


def as_recorded(found: CheckResult | None, confirmed: str | None) -> Mapping[str, Any]:
    """What the audit log keeps of a check."""
    return {
        **({} if found is None else {"check": found._asdict()}),
        **({} if confirmed is None else {"confirmed": confirmed}),
    }
