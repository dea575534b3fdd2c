"""Statistics of a time window: counted by the database, kept as long as counting was costly, and added up."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, NamedTuple

from fastapi import Depends, Request

from order_api.kit.cost_aware_cache import CostAwareCache
from order_api.kit.database import Database
from order_api.kit.fair_turns import FairPool
from order_api.kit.lag_monitor import LagMonitor, Reading
from order_api.kit.registry import Provider
from order_api.kit.totals import add_up
from order_api.stats import repository, schemas
from order_api.stats.filters import WindowParameters
from order_api.stats.repository import OrderGroup, UserFlags
from order_contract.outcomes import MessageOutcome

WINDOW: Final = timedelta(hours=24)
MOST_FLAGGED: Final = 10


class Counted(NamedTuple):
    """What the database counted for a window, and when."""

    start: datetime
    end: datetime
    computed_at: datetime
    groups: Sequence[OrderGroup]
    flagged_users: Sequence[UserFlags]
    stream_outcomes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class StatsService:
    """Computes statistics."""

    pool: FairPool
    cache: CostAwareCache[Counted]
    lag: LagMonitor
    labels_topic: str

    async def compute(self, request: Request, key_id: str, window: WindowParameters) -> schemas.Stats:
        """The statistics of a window for a key, and of the stream now."""
        counted = self.cache.fresh(window)
        if counted is None:
            counted = await self.pool.run(request, key_id, lambda database: self._count(database, window))
        return build_statistics(counted, await self.lag.read())

    async def _count(self, database: Database, window: WindowParameters) -> Counted:
        return await self.cache.get(window, lambda: _count(database, window, self.labels_topic))


Statistics = Annotated[StatsService, Depends(Provider(StatsService))]


async def _count(database: Database, window: WindowParameters, labels_topic: str) -> Counted:
    now = datetime.now(UTC)
    end = window.end or now
    start = window.start or end - WINDOW
    async with database.snapshot() as snapshot:  # the parts add up, also while orders are stored
        groups = await repository.count_groups(snapshot, start, end)
        users = await repository.find_flagged_users(snapshot, start, end, MOST_FLAGGED)
        outcomes = await repository.count_stream_outcomes(snapshot, labels_topic)
    return Counted(start, end, now, groups, users, outcomes)


def build_statistics(counted: Counted, lag: Reading) -> schemas.Stats:
    """The response: everything about a window, from its groups."""
    totals = add_up(counted.groups)
    hits: Counter[str] = Counter()
    for group in counted.groups:
        for rule in group.rule_ids or ():
            hits[rule] += group.orders
    return schemas.Stats(
        start=counted.start,
        end=counted.end,
        computed_at=counted.computed_at,
        orders=totals.orders,
        flagged=totals.flagged,
        flagged_share=totals.flagged / totals.orders if totals.orders else 0.0,
        by_outcome=totals.by_outcome,
        by_status=schemas.StatusCounts(genuine=totals.by_outcome.approve, fraud=totals.flagged),
        hits_by_rule=[
            schemas.RuleHits(rule=rule, orders=count)
            for rule, count in sorted(hits.items(), key=lambda item: (-item[1], item[0]))
        ],
        amounts=totals.amounts,
        most_flagged_users=[
            schemas.FlaggedUser(user_id=user.user_id, flagged=user.flagged) for user in counted.flagged_users
        ],
        stream=_stream(counted.stream_outcomes, lag),
    )


def _stream(outcomes: Mapping[str, int], lag: Reading) -> schemas.StreamStats:
    return schemas.StreamStats(
        duplicates=outcomes.get(MessageOutcome.DUPLICATE, 0),
        conflicts=outcomes.get(MessageOutcome.CONFLICT, 0),
        dead_letters=outcomes.get(MessageOutcome.DEAD_LETTER, 0),
        lag=lag.total,
        partitions=None
        if lag.partitions is None
        else [
            schemas.StreamPartition(
                partition=part.partition,
                beginning=part.beginning,
                committed=part.committed,
                end=part.end,
                lag=part.lag,
            )
            for part in lag.partitions
        ],
        detectors=None
        if lag.detectors is None
        else [
            schemas.RunningDetector(host=member.host.removeprefix("/"), partitions=list(member.partitions))
            for member in sorted(lag.detectors, key=lambda member: (member.partitions, member.host))
        ],
    )
