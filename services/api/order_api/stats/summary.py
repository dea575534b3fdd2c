"""Adding up what the database counted."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from order_api.lag import Reading
from order_api.queries import FlaggedUser, Group
from order_api.stats import model
from order_contract.decision import Outcome
from order_contract.outcomes import MessageOutcome


class Counted(NamedTuple):
    """What the database counted for a window, and when."""

    start: datetime
    end: datetime
    computed_at: datetime
    groups: Sequence[Group]
    flagged_users: Sequence[FlaggedUser]
    stream_outcomes: Mapping[str, int]


def statistics(counted: Counted, lag: Reading) -> model.Stats:
    """The answer: all that is asked about a window, from its groups."""
    outcomes: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    flagged_amounts: Counter[str] = Counter()
    for group in counted.groups:
        outcomes[group.outcome] += group.orders
        totals[group.currency] += group.amount
        if group.outcome != Outcome.APPROVE:
            flagged_amounts[group.currency] += group.amount
        for rule in group.rule_ids or ():
            hits[rule] += group.orders
    approved, orders = outcomes[Outcome.APPROVE], outcomes.total()
    flagged = orders - approved
    return model.Stats(
        start=counted.start,
        end=counted.end,
        computed_at=counted.computed_at,
        orders=orders,
        flagged=flagged,
        flagged_share=flagged / orders if orders else 0.0,
        by_outcome=model.OutcomeCounts(
            approve=approved, review=outcomes[Outcome.REVIEW], decline=outcomes[Outcome.DECLINE]
        ),
        by_status=model.StatusCounts(genuine=approved, fraud=flagged),
        hits_by_rule=[
            model.RuleHits(rule=rule, orders=count)
            for rule, count in sorted(hits.items(), key=lambda item: (-item[1], item[0]))
        ],
        amounts=[
            model.Amounts(currency=currency, total=totals[currency], flagged=flagged_amounts[currency])
            for currency in sorted(totals)
        ],
        most_flagged_users=[
            model.FlaggedUser(user_id=user.user_id, flagged=user.flagged) for user in counted.flagged_users
        ],
        stream=_stream(counted.stream_outcomes, lag),
    )


def _stream(outcomes: Mapping[str, int], lag: Reading) -> model.StreamStats:
    return model.StreamStats(
        duplicates=outcomes.get(MessageOutcome.DUPLICATE, 0),
        conflicts=outcomes.get(MessageOutcome.CONFLICT, 0),
        dead_letters=outcomes.get(MessageOutcome.DEAD_LETTER, 0),
        lag=lag.total,
        partitions=None
        if lag.partitions is None
        else [
            model.PartitionLag(
                partition=part.partition,
                beginning=part.beginning,
                committed=part.committed,
                end=part.end,
                lag=part.lag,
            )
            for part in lag.partitions
        ],
    )
