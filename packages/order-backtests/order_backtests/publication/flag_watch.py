"""Watch after publishing: the share of flagged orders since the last switch, beside the share before it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

from decision_engine.flag_rate import FlagRateChange, FlagRateVerdict, compare_flag_rates
from decision_engine.marketplace_pack import add_marketplace_pack
from decision_engine.pack_mode import PackMode
from decision_engine.proportion import Proportion
from decision_engine.ruleset import RulesetError, parse_ruleset
from order_backtests.publication.settings import PublicationSettings
from order_platform.postgres.ruleset_versions import Activation, Connection, read_activations, read_content

BEFORE: Final = timedelta(hours=1)
"""How long before the switch orders are counted: enough of them for a share, and of the same time of day."""

MOST_ORDERS: Final = 50_000
"""Counted on either side at most: those that are nearest to the switch."""

_COUNT: Final = """
    select count(*) filter (where outcome <> 'approve'), count(*) from (
        select outcome from orders
        where source_topic = $1 and created_date >= $2 and created_date < $3 {}
        order by created_date {} limit $4
    ) as nearest
"""
# Of the time before, orders that came late are left out: the new version decided them.
_BEFORE: Final = _COUNT.format("and decided_at < $3", "desc")
_SINCE: Final = _COUNT.format("and ruleset_version = any($5::text[])", "asc")


class FlagWatch(NamedTuple):
    """The last switch, the present time, until when it is watched, and how the share of flagged orders has changed.

    `version` is the one that is watched: during a roll-out the candidate, by the orders that it decided.
    """

    activation: Activation
    version: str
    at: datetime
    until: datetime
    change: FlagRateChange

    @property
    def verdict(self) -> FlagRateVerdict:
        """What the shares say so far."""
        return self.change.verdict

    @property
    def is_over(self) -> bool:
        """Whether the time of the watch is over; its figures stay."""
        return self.at >= self.until

    @property
    def seconds(self) -> float:
        """How long ago the switch was, at most as long as it is watched."""
        return (min(self.at, self.until) - self.activation.activated_at).total_seconds()

    def sentence(self) -> str:
        """The figures for a person."""
        before, since = self.change.before, self.change.since
        return (
            f"Of {since.whole:,} orders by version {self.version}, {_share(since)} are flagged; of {before.whole:,} "
            f"before, {_share(before)}."
        )

    def conclusion(self, bound: float) -> str:
        """What the figures mean, with the bound of a jump."""
        limit = f"{bound * 100:g} points"
        match self.change.verdict, self.change.difference:
            case FlagRateVerdict.STEADY, _:
                return f"The share has changed by less than {limit}."
            case FlagRateVerdict.RISE | FlagRateVerdict.FALL as verdict, (low, high):
                points = f"{low * 100:+.1f} and {high * 100:+.1f} points"
                return f"That is a {verdict} by more than {limit}: between {points} in 999 of 1,000 cases."
        return f"These are too few orders to say whether it has changed by more than {limit}."

    def as_document(self) -> dict[str, Any]:
        """The figures by their names."""
        return {
            "version": self.version,
            "started_at": self.activation.activated_at,
            "until": self.until,
            "is_over": self.is_over,
            **self.change.as_document(),
        }


async def read_flag_watch(connection: Connection, settings: PublicationSettings, topic: str) -> FlagWatch | None:
    """The watch of the last switch; None when no version was ever active.

    Orders are counted by their own time, so that those of a file that is replayed do not count.
    """
    activations = await read_activations(connection, 2)
    if not activations:
        return None
    latest, *earlier = activations
    since = latest.activated_at
    start = max([since - BEFORE, *(each.activated_at for each in earlier)])
    until = since + timedelta(seconds=settings.publish_watch_seconds)
    version = latest.pointer.candidate or latest.version
    before = await connection.fetchrow(_BEFORE, topic, start, since, MOST_ORDERS)
    after = await connection.fetchrow(_SINCE, topic, since, until, MOST_ORDERS, await _decided_as(connection, version))
    assert before is not None  # aggregates have a row
    assert after is not None
    change = compare_flag_rates(Proportion(*before), Proportion(*after), settings.publish_watch_share)
    return FlagWatch(latest, version, await connection.fetchval("select now()"), until, change)


async def _decided_as(connection: Connection, version: str) -> Sequence[str]:
    """The versions that decisions by this one are recorded with: with the marketplace pack in any mode."""
    return await asyncio.to_thread(_with_pack, await read_content(connection, version) or "", version)


@lru_cache(maxsize=4)
def _with_pack(content: str, version: str) -> Sequence[str]:
    found = {version}
    for mode in (PackMode.SHADOW, PackMode.LIVE):
        try:
            found.add(add_marketplace_pack(parse_ruleset(content, version), mode).version)
        except RulesetError:
            continue  # no detector decides with it
    return sorted(found)


def _share(proportion: Proportion) -> str:
    value = proportion.value
    return "none" if value is None else f"{proportion.part:,} ({value:.1%})"
