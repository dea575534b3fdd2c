"""How rules work: performance by labels, overlaps, and what a threshold of the risk score means."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Final

from fastapi import Depends, Request

from decision_engine.proportion import Proportion
from order_api.auth.dependencies import principal_of
from order_api.kit.database import Database
from order_api.kit.fair_turns import FairPool
from order_api.kit.registry import Provider
from order_api.kit.totals import Share
from order_api.rules import schemas
from order_api.rules.filters import PerformanceParameters, Period, RangeParameters
from order_api.rules.repository import (
    FraudGroup,
    HitGroup,
    ScoreGroup,
    count_fraud,
    count_hits,
    count_pairs,
    count_scores,
)
from order_contract.business_time import business_date

# One period of everything: orders are of one millennium.
_WHOLE: Final = "millennium"
_MOMENT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class RuleService:
    """Computes how rules work, on the connections for statistics: keys take turns."""

    statistics: FairPool
    labels_topic: str

    async def performance(self, request: Request, parameters: PerformanceParameters) -> schemas.Performance:
        """The performance of rules in a range of time. Raises RequestValidationError, QueryTooSlow."""
        start, end = parameters.bounds()
        period = parameters.period or _WHOLE

        async def work(database: Database) -> tuple[list[HitGroup], list[FraudGroup]]:
            async with database.snapshot() as snapshot:
                hits = await count_hits(
                    snapshot, start, end, labels_topic=self.labels_topic, period=period, rule=parameters.rule
                )
                fraud = await count_fraud(snapshot, start, end, labels_topic=self.labels_topic, period=period)
            return hits, fraud

        hits, fraud = await self.statistics.run(request, principal_of(request).key_id, work)
        if not parameters.by_version:
            hits = [group._replace(ruleset_version=None) for group in hits]
            fraud = [group._replace(ruleset_version=None) for group in fraud]
        due = business_date(datetime.now(UTC)) - timedelta(days=parameters.label_days)
        items = build_performance(hits, fraud, period=parameters.period, last=business_date(end - _MOMENT), due=due)
        return schemas.Performance(start=start, end=end, items=items)

    async def overlaps(self, request: Request, parameters: RangeParameters) -> schemas.Overlaps:
        """Which rules fire on the same orders. Raises RequestValidationError, QueryTooSlow."""
        start, end = parameters.bounds()
        pairs = await self.statistics.run(
            request, principal_of(request).key_id, lambda database: count_pairs(database, start, end)
        )
        hits = [schemas.OverlappingRule(rule=each.one, orders=each.orders) for each in pairs if each.one == each.other]
        both = [
            schemas.Overlap(rules=[each.one, each.other], orders=each.orders)
            for each in pairs
            if each.one != each.other
        ]
        return schemas.Overlaps(
            start=start,
            end=end,
            rules=sorted(hits, key=lambda each: (-each.orders, each.rule)),
            overlaps=sorted(both, key=lambda each: (-each.orders, each.rules)),
        )

    async def operating_points(self, request: Request, parameters: RangeParameters) -> schemas.OperatingPoints:
        """The orders by risk score, and what each threshold means. Raises RequestValidationError, QueryTooSlow."""
        start, end = parameters.bounds()

        async def work(database: Database) -> list[ScoreGroup]:
            async with database.snapshot() as snapshot:
                return await count_scores(snapshot, start, end, labels_topic=self.labels_topic)

        groups = await self.statistics.run(request, principal_of(request).key_id, work)
        return build_operating_points(groups, start, end)


Rules = Annotated[RuleService, Depends(Provider(RuleService))]


@dataclass(slots=True)
class _Sum:
    orders: int = 0
    money: Counter[str] = field(default_factory=Counter)

    def add(self, group: HitGroup | ScoreGroup) -> None:
        self.orders += group.orders
        self.money[group.currency] += group.amount

    def merge(self, other: "_Sum") -> None:
        self.orders += other.orders
        self.money.update(other.money)

    def schema(self) -> schemas.Sum:
        return schemas.Sum(orders=self.orders, money=dict(self.money))


def build_performance(
    hits: Sequence[HitGroup], fraud: Sequence[FraudGroup], *, period: Period | None, last: date, due: date
) -> list[schemas.RulePerformance]:
    """Rules by period, then by hits. Labels of orders up to date `due` are complete; the range ends on date `last`."""
    sums: dict[tuple[date, str, str | None, str], dict[str | None, _Sum]] = {}
    for group in hits:
        by_label = sums.setdefault(
            (group.period, group.rule, group.ruleset_version, group.mode),
            {"all": _Sum(), "fraud": _Sum(), "legitimate": _Sum(), None: _Sum()},
        )
        by_label["all"].add(group)
        by_label[group.label].add(group)
    all_fraud: Counter[tuple[date, str | None]] = Counter()
    for each in fraud:
        all_fraud[each.period, each.ruleset_version] += each.orders
    items = [
        schemas.RulePerformance(
            period=None if period is None else first,
            rule=rule,
            ruleset_version=version,
            mode=mode,
            mature=_end(first, period, last) <= due,
            hits=found["all"].schema(),
            fraud=found["fraud"].schema(),
            legitimate=found["legitimate"].schema(),
            precision=_share(Proportion(found["fraud"].orders, found["fraud"].orders + found["legitimate"].orders)),
            recall=_share(Proportion(found["fraud"].orders, all_fraud[first, version])),
        )
        for (first, rule, version, mode), found in sums.items()
    ]
    return sorted(items, key=lambda item: (item.period or date.min, -item.hits.orders, item.rule, item.mode))


def build_operating_points(groups: Sequence[ScoreGroup], start: datetime, end: datetime) -> schemas.OperatingPoints:
    """What each threshold means: thresholds from the highest score down, each adds the orders of its score."""
    by_score: dict[int, dict[str | None, _Sum]] = {}
    for group in groups:
        by_label = by_score.setdefault(group.score, {None: _Sum(), "fraud": _Sum(), "legitimate": _Sum()})
        by_label[group.label].add(group)
    orders = sum(each[None].orders for each in by_score.values())
    all_fraud = sum(each["fraud"].orders for each in by_score.values())
    days = (end - start) / timedelta(days=1)
    flagged, fraud, legitimate = _Sum(), _Sum(), _Sum()
    thresholds: list[schemas.Threshold] = []
    for score in sorted(by_score.keys() - {0}, reverse=True):
        for total, label in ((flagged, None), (fraud, "fraud"), (legitimate, "legitimate")):
            total.merge(by_score[score][label])
        thresholds.append(
            schemas.Threshold(
                score=score,
                orders=flagged.orders,
                orders_per_day=round(flagged.orders / days, 1),
                share=flagged.orders / orders if orders else None,
                precision=_share(Proportion(fraud.orders, fraud.orders + legitimate.orders)),
                recall=_share(Proportion(fraud.orders, all_fraud)),
                money=dict(flagged.money),
                fraud_money=dict(fraud.money),
                legitimate_money=dict(legitimate.money),
            )
        )
    return schemas.OperatingPoints(
        start=start,
        end=end,
        days=round(days, 2),
        orders=orders,
        scores=[
            schemas.ScoreCount(
                score=score,
                orders=found[None].orders,
                fraud=found["fraud"].orders,
                legitimate=found["legitimate"].orders,
            )
            for score, found in sorted(by_score.items())
        ],
        thresholds=thresholds[::-1],
    )


def _end(first: date, period: Period | None, last: date) -> date:
    """The last date of a period that lies in the range."""
    match period:
        case Period.DAY:
            return first
        case Period.WEEK:
            return min(first + timedelta(days=6), last)
        case Period.MONTH:
            return min((first + timedelta(days=31)).replace(day=1) - timedelta(days=1), last)
    return last


def _share(proportion: Proportion) -> Share:
    return Share(**proportion.as_document())
