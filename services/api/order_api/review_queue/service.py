"""Working on the review queue: what is next, claiming, escalating, and closing by labels."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, NamedTuple

from fastapi import Depends, Request

from order_api.auth.dependencies import principal_of
from order_api.http.problems.availability import BrokerUnavailable
from order_api.http.problems.problem import Problem
from order_api.http.problems.reviews import (
    ReviewClaimed,
    ReviewClosed,
    ReviewDecided,
    ReviewUnknown,
    SecondReviewRefused,
)
from order_api.kit.cost_aware_cache import CostAwareCache
from order_api.kit.database import Database
from order_api.kit.fair_turns import FairPool
from order_api.kit.pagination import cut_page, read_cursor, write_time
from order_api.kit.registry import Provider
from order_api.labels.filters import NewLabel
from order_api.labels.service import LabelService
from order_api.review_queue import repository
from order_api.review_queue.filters import parse_place
from order_api.review_queue.model import (
    ClosingResult,
    ClosingStatus,
    QueueCounts,
    QueuedReview,
    QueueFilters,
    ReviewCounts,
)
from order_api.review_queue.repository import ReviewStatus
from order_contract.business_time import business_date, business_date_start
from order_platform.postgres.audit import AuditRecord, SubjectKind, record_audit
from order_platform.postgres.notes import NoteSubject, add_note
from order_platform.postgres.reviews import route_flagged_orders
from order_platform.postgres.sql_builder import QueryExecutor


class _Counted(NamedTuple):
    """What is counted for all people alike."""

    queues: Mapping[str, QueueCounts]
    second_reviews: int
    disagreements: int
    counted_at: datetime


@dataclass(frozen=True, slots=True)
class ReviewQueue:
    """The review queue, for the person whose key a request has; labels are published like all others.

    A person is a key, by its name and id, as in the audit log and in labels.
    """

    listings: FairPool
    statistics: FairPool
    labels: LabelService
    claim_time: timedelta
    counted: CostAwareCache[_Counted] = field(default_factory=CostAwareCache)
    held: CostAwareCache[Mapping[str, int]] = field(default_factory=CostAwareCache)

    async def list_page(
        self, request: Request, filters: QueueFilters, cursor: str | None, limit: int
    ) -> tuple[Sequence[QueuedReview], str | None]:
        """A page of open reviews in the queue's order, and the cursor for the next one.

        What claim_next would give comes first. Second reviews of orders that the person reviewed first are left out.
        """
        listing = ["review-queue", *filters]
        after = None if cursor is None else read_cursor(cursor, listing, parse_place)
        async with self._asked(request) as (database, author):
            found = await repository.page_queue(database, filters, author, after, limit + 1)
        return cut_page(found, limit, listing, lambda review: (review.rank, write_time(review.due_at), review.order_id))

    async def find(self, request: Request, order_id: str) -> QueuedReview:
        """The open review of an order. Raises ReviewUnknown, ReviewClosed, ReviewDecided."""
        async with self._asked(request) as (database, author):
            return await self._found(database, order_id, author)

    async def counts(self, request: Request) -> ReviewCounts:
        """What waits for people, and for this one. Counts are kept in proportion to their cost, 10 seconds at most."""
        principal = principal_of(request)
        counted = self.counted.fresh(None)
        if counted is None:
            counted = await self.statistics.run(request, principal.key_id, self._count)

        async def count_mine(database: Database) -> int:
            return await repository.count_mine(database, principal.author)

        mine = await self.listings.run(request, principal.key_id, count_mine)
        return ReviewCounts(_total(counted.queues), counted.queues, mine, *counted[1:])

    async def count_queues(self) -> Mapping[str, QueueCounts]:
        """Open reviews of each queue, also of routes without any; kept as `counts` are. Raises DatabaseUnavailable.

        On behalf of the process, for its metrics.
        """
        names = await repository.list_queue_names(self.statistics.database)
        counted = await self._count(self.statistics.database)
        return {**dict.fromkeys(names, _NO_REVIEWS), **counted.queues}

    async def held_today(self, request: Request) -> Mapping[str, int]:
        """Money of the orders that were flagged today (business date, by created_date), by currency.

        In the smallest unit of each. Kept as `counts` are.
        """
        held = self.held.fresh(None)
        if held is None:
            held = await self.statistics.run(request, principal_of(request).key_id, self._sum_held)
        return held

    async def claim_next(self, request: Request, queue: str | None = None) -> QueuedReview | None:
        """Claim the first review that no person is looking at; None when there is none.

        Two people never get the same one.
        """
        async with self._asked(request) as (database, author):
            return await repository.claim_next(database, author, self.claim_time, queue)

    async def claim(self, request: Request, order_id: str) -> QueuedReview:
        """Claim a review, or extend one's own claim.

        Raises ReviewUnknown, ReviewClosed, ReviewClaimed, ReviewDecided, SecondReviewRefused.
        """
        async with self._asked(request) as (database, author):
            if not await repository.claim(database, order_id, author, self.claim_time):
                await _raise_refusal(database, order_id, author)
            return await self._found(database, order_id, author)

    async def release(self, request: Request, order_id: str) -> QueuedReview:
        """End one's own claim; without one nothing changes. Raises as `claim` does."""
        async with self._asked(request) as (database, author):
            if not await repository.release(database, order_id, author):
                await _raise_refusal(database, order_id, author)
            return await self._found(database, order_id, author)

    async def end_claim(self, request: Request, order_id: str) -> QueuedReview:
        """End any person's claim of a review, recorded in the audit log; without one nothing changes.

        Raises ReviewUnknown, ReviewClosed, ReviewDecided.
        """
        async with self._asked(request) as (database, author):
            async with database.connection() as connection, connection.transaction():
                ended = await repository.end_claim(connection, order_id)
                if ended is not None:
                    before = {"claimed_by": ended[0], "claimed_until": ended[1]}
                    change = AuditRecord(author, "end-claim", SubjectKind.REVIEW, order_id, before=before)
                    await record_audit(connection, change)
            return await self._found(database, order_id, author)

    async def escalate(self, request: Request, order_id: str, note: str | None = None) -> QueuedReview:
        """Put a review before all that are not escalated, for another person; the note becomes one about the order.

        Raises as `claim` does.
        """
        async with self._asked(request) as (database, author):
            async with database.connection() as connection, connection.transaction():
                queue = await repository.escalate(connection, order_id, author)
                if queue is None:
                    await _raise_refusal(connection, order_id, author)
                else:
                    change = AuditRecord(author, "escalate", SubjectKind.REVIEW, order_id, after={"queue": queue})
                    await record_audit(connection, change)
                if note:
                    await add_note(connection, NoteSubject.ORDER, order_id, author=author, text=note)
            return await self._found(database, order_id, author)

    async def close(self, request: Request, order_id: str, verdict: NewLabel) -> dict[str, object]:
        """Close a review by a label, which is returned as it was published. The review leaves the queue at once.

        It is closed when a detector has stored the label, and in the queue again when that has not happened within 5
        minutes. Raises as `claim` does, and BrokerUnavailable.
        """
        async with self._asked(request) as (database, author):
            if not await repository.decide(database, [order_id], author):
                await _raise_refusal(database, order_id, author)
                raise ReviewDecided(author)  # by another request of the same key
        try:
            return await self.labels.publish(author, order_id, verdict)
        except BrokerUnavailable:
            await repository.reopen(self.listings.database, [order_id], author)
            raise

    async def close_all(self, request: Request, order_ids: Sequence[str], verdict: NewLabel) -> Sequence[ClosingResult]:
        """Close up to 200 reviews by the same verdict; one result for each order_id, in the sequence given."""
        async with self._asked(request) as (database, author):
            decided = await repository.decide(database, order_ids, author)
            statuses = await repository.find_statuses(database, order_ids, author)
        published = [order_id for order_id in dict.fromkeys(order_ids) if order_id in decided]
        outcomes = await asyncio.gather(
            *(self.labels.publish(author, order_id, verdict) for order_id in published), return_exceptions=True
        )
        failures: dict[str, BrokerUnavailable] = {}
        for order_id, outcome in zip(published, outcomes, strict=True):
            if isinstance(outcome, BrokerUnavailable):
                failures[order_id] = outcome
            elif isinstance(outcome, BaseException):
                raise outcome
        if failures:
            await repository.reopen(self.listings.database, list(failures), author)
        return [
            _closing_result(order_id, statuses.get(order_id), order_id in decided, failures.get(order_id), author)
            for order_id in order_ids
        ]

    @asynccontextmanager
    async def _asked(self, request: Request) -> AsyncIterator[tuple[Database, str]]:
        """The connections for listings in the turn of the request's key, and the person that has it.

        Orders that were flagged until the request's first use of the queue have entered it.
        """
        principal, database = principal_of(request), self.listings.database
        async with self.listings.turns.turn(principal.key_id):
            if not getattr(request.state, "has_routed_flagged_orders", False):
                await route_flagged_orders(database)
                request.state.has_routed_flagged_orders = True
            yield database, principal.author

    async def _found(self, database: Database, order_id: str, author: str) -> QueuedReview:
        found = await repository.find_open(database, order_id)
        if found is None:
            await _raise_refusal(database, order_id, author)
            raise ReviewUnknown
        return found

    async def _count(self, database: Database) -> _Counted:
        return await self.counted.get(None, lambda: _count(database))

    async def _sum_held(self, database: Database) -> Mapping[str, int]:
        today = business_date_start(business_date(datetime.now(UTC)))
        return await self.held.get(None, lambda: repository.sum_held(database, today))


_NO_REVIEWS: Final = QueueCounts(0, 0, 0, 0, 0, None)

Queue = Annotated[ReviewQueue, Depends(Provider(ReviewQueue))]


async def _count(database: Database) -> _Counted:
    await route_flagged_orders(database)
    async with database.snapshot() as snapshot:  # the parts add up
        queues = await repository.count_queues(snapshot)
        second_reviews, disagreements = await repository.count_second(snapshot)
    return _Counted(queues, second_reviews, disagreements, datetime.now(UTC))


def _total(queues: Mapping[str, QueueCounts]) -> QueueCounts:
    oldest = [each.oldest_opened_at for each in queues.values() if each.oldest_opened_at is not None]
    return QueueCounts(
        open=sum(each.open for each in queues.values()),
        overdue=sum(each.overdue for each in queues.values()),
        claimed=sum(each.claimed for each in queues.values()),
        escalated=sum(each.escalated for each in queues.values()),
        second=sum(each.second for each in queues.values()),
        oldest_opened_at=min(oldest, default=None),
    )


def _refusal(status: ReviewStatus | None, author: str) -> Problem | None:
    """Why a person cannot work on a review; None when they can."""
    if status is None:
        return ReviewUnknown()
    if status.closed_at is not None:
        return ReviewClosed(status.label or "")
    if status.decided_by is not None:
        return ReviewDecided(status.decided_by)
    if status.is_of_another_person:
        return SecondReviewRefused()
    if status.claimed_by is not None and status.claimed_by != author:
        return ReviewClaimed(status.claimed_by, status.claimed_until)
    return None


async def _raise_refusal(database: QueryExecutor, order_id: str, author: str) -> None:
    """Raise why a person cannot work on a review; returns when they can."""
    statuses = await repository.find_statuses(database, [order_id], author)
    refusal = _refusal(statuses.get(order_id), author)
    if refusal is not None:
        raise refusal


def _closing_result(
    order_id: str, status: ReviewStatus | None, is_decided: bool, failure: BrokerUnavailable | None, author: str
) -> ClosingResult:
    if failure is not None:
        return ClosingResult(order_id, ClosingStatus.UNAVAILABLE, failure.detail)
    if is_decided:
        return ClosingResult(order_id, ClosingStatus.CLOSED, None)
    refusal = _refusal(status, author)
    if isinstance(refusal, ReviewUnknown):
        return ClosingResult(order_id, ClosingStatus.UNKNOWN, refusal.detail)
    detail = "it changed at the same moment; try again" if refusal is None else refusal.detail
    return ClosingResult(order_id, ClosingStatus.REFUSED, detail)
