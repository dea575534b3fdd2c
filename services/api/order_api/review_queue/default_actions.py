"""The default actions of overdue reviews, which this process carries out in the background."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import asyncpg
import structlog

from order_api.http.problems.availability import BrokerUnavailable
from order_api.http.problems.problem import Problem
from order_api.kit.database import Database
from order_api.labels.filters import NewLabel
from order_api.labels.service import LabelService
from order_api.review_queue import repository
from order_api.review_queue.repository import Overdue
from order_platform.postgres.audit import AuditRecord, SubjectKind, record_audit
from order_platform.postgres.reviews import route_flagged_orders

PERIOD_SECONDS: Final = 30.0
MOST_AT_ONCE: Final = 200
SOURCE: Final = "default-action"
"""The source of the labels; their author is `route NAME`."""

log = structlog.get_logger(__name__)


class DefaultActions:
    """Looks for overdue reviews from time to time, and does what their routes say: escalate, or close by a label.

    Several processes may do so at once: each review is locked by one of them, and is then out of the queue until its
    label is stored. A label is published again only when the process ends between publishing and recording that.
    """

    def __init__(self, database: Database, labels: LabelService, period: float = PERIOD_SECONDS) -> None:
        self._database = database
        self._labels = labels
        self._period = period

    @asynccontextmanager
    async def in_background(self, *, enabled: bool) -> AsyncIterator[None]:
        """Run in the background while the block is open, if enabled."""
        running = asyncio.create_task(self._run()) if enabled else None
        try:
            yield
        finally:
            if running is not None:
                running.cancel()
                with suppress(asyncio.CancelledError):
                    await running

    async def carry_out(self) -> int:
        """Carry out what is due, up to 200 of each kind; returns how many. Raises DatabaseUnavailable, QueryTooSlow."""
        await route_flagged_orders(self._database)
        await repository.close_labelled(self._database)
        escalated = await self._escalate()
        overdue = await repository.decide_overdue(self._database, MOST_AT_ONCE)
        outcomes = await asyncio.gather(*map(self._publish, overdue))
        published = [each.order_id for each, done in zip(overdue, outcomes, strict=True) if done]
        await repository.note_default_actions(self._database, published)
        await self._reopen([each for each, done in zip(overdue, outcomes, strict=True) if not done])
        if escalated or overdue:
            log.info(
                "default_actions", escalated=escalated, closed=len(published), failed=len(overdue) - len(published)
            )
        return escalated + len(published)

    async def _escalate(self) -> int:
        async with self._database.connection() as connection, connection.transaction():
            escalated = await repository.escalate_overdue(connection, MOST_AT_ONCE)
            for order_id, queue, author in escalated:
                change = AuditRecord(
                    author, "escalate", SubjectKind.REVIEW, order_id, "overdue", after={"queue": queue}
                )
                await record_audit(connection, change)
        return len(escalated)

    async def _publish(self, overdue: Overdue) -> bool:
        try:
            await self._labels.publish(overdue.author, overdue.order_id, NewLabel(label=overdue.label, source=SOURCE))
        except BrokerUnavailable:
            return False
        return True

    async def _reopen(self, overdue: Sequence[Overdue]) -> None:
        for author in {each.author for each in overdue}:
            order_ids = [each.order_id for each in overdue if each.author == author]
            await repository.reopen(self._database, order_ids, author)

    async def _run(self) -> None:
        while True:
            # Not in step with other processes of the API.
            await asyncio.sleep(self._period * random.uniform(0.8, 1.2))  # noqa: S311  (spreads load)
            try:
                while await self.carry_out() >= MOST_AT_ONCE:
                    pass
            except asyncpg.ReadOnlySQLTransactionError:
                log.debug("default_actions_not_here", problem="the database is a standby")
            except Problem as problem:
                log.debug("default_actions_interrupted", problem=problem.detail)
            except Exception:
                # A bug; the next round shows whether it persists.
                log.exception("default_actions_failed")
