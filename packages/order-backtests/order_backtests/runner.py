"""Running a backtest: one part after the other in this process, or parts of the time in several processes."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from datetime import datetime, timedelta
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Final, NamedTuple

import asyncpg
import orjson

from decision_engine.backtest.backtester import Backtester, PastOrder
from decision_engine.backtest.tally import Tally
from decision_engine.compilation import LISTS
from decision_engine.history.declaration import longest_window
from decision_engine.history.series import UNIX_EPOCH
from decision_engine.ruleset import Ruleset, parse_ruleset
from order_backtests.postgres_source import (
    ListChange,
    PastLabel,
    Span,
    read_labels,
    read_list_changes,
    read_orders,
)
from order_contract.decision import Decision, Outcome
from order_contract.event import OrderEvent, event_from_columns
from order_platform.command_line.database import run_on_database
from order_platform.command_line.errors import CommandError, UnavailableError
from order_platform.gc_tuning import paused_collector
from order_platform.settings import DatabaseSettings

_EVENT_FIELDS: Final = len(OrderEvent._fields)
_FORGET_EVERY: Final = timedelta(days=1)
_OUTCOMES: Final = {outcome.value: outcome for outcome in Outcome}

Advance = Callable[[int], None]
"""Called with the number of orders that were decided since the last call."""

Observe = Callable[[PastOrder, Decision], None]
"""Called with each order and the decision on it."""


class Plan(NamedTuple):
    """A backtest of one span of orders: rulesets by their content, and the topic of labels."""

    span: Span
    labels_topic: str
    content: str
    against: str | None
    recorded: bool = False
    """Whether orders are decided by the features that were recorded with them, instead of computing these again."""


def history_window(rulesets: Sequence[Ruleset]) -> timedelta:
    """How far back orders are needed that are not decided."""
    return longest_window(feature for ruleset in rulesets for feature in ruleset.features)


def divide(plan: Plan, hours: Sequence[tuple[datetime, int]], parts: int) -> Sequence[Plan]:
    """The plans of about as many orders each, divided between hours; at most as many as there are hours."""
    total, counted = sum(count for _, count in hours), 0
    bounds = [plan.span.since]
    for hour, count in hours:
        if counted >= total * len(bounds) / parts and hour > bounds[-1]:
            bounds.append(hour)
        counted += count
    ends = [*bounds[1:], plan.span.until]
    return [
        plan._replace(span=plan.span._replace(since=since, until=until))
        for since, until in zip(bounds, ends, strict=True)
    ]


def run_here(settings: DatabaseSettings, plan: Plan, advance: Advance, observe: Observe | None = None) -> Tally:
    """Run one plan in this process. Raises CommandError."""

    async def run(connection: asyncpg.Connection[asyncpg.Record]) -> Tally:
        return await _run(connection, plan, advance, observe)

    with paused_collector():
        return run_on_database(settings, run)


def run_beside(settings: DatabaseSettings, plans: Sequence[Plan], advance: Advance) -> Tally:
    """Run each plan in a process of its own, and add up. Raises CommandError."""
    context = multiprocessing.get_context("spawn")
    ends: dict[Connection, SpawnProcess] = {}
    tallies: list[Tally] = []
    try:
        for plan in plans:
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(sender, settings, plan), daemon=True)
            process.start()
            sender.close()
            ends[receiver] = process
        waiting = set(ends)
        while waiting:
            for each in wait(list(waiting)):
                assert isinstance(each, Connection)
                try:
                    message = each.recv()
                except EOFError:
                    raise UnavailableError("a process of the backtest ended without a result") from None
                if isinstance(message, int):
                    advance(message)
                elif isinstance(message, CommandError):
                    raise message
                else:
                    tallies.append(message)
                    waiting.remove(each)
    finally:
        for process in ends.values():
            process.terminate()
            process.join()
    first, *others = tallies
    for tally in others:
        first.merge(tally)
    return first


def _work(sender: Connection, settings: DatabaseSettings, plan: Plan) -> None:
    """What a process of its own does: sends numbers of orders, then the tally or an error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with the one that waits for it
    with suppress(BrokenPipeError):
        try:
            sender.send(run_here(settings, plan, sender.send))
        except CommandError as error:
            sender.send(error)


async def _run(
    connection: asyncpg.Connection[asyncpg.Record], plan: Plan, advance: Advance, observe: Observe | None
) -> Tally:
    ruleset = parse_ruleset(plan.content, "ruleset")
    against = None if plan.against is None else parse_ruleset(plan.against, "against")
    rulesets = [ruleset] if against is None else [ruleset, against]
    window = timedelta() if plan.recorded else history_window(rulesets)
    warm = plan.span._replace(since=plan.span.since - window)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        labels = await read_labels(connection, warm, plan.labels_topic)
        counted_labels = (
            labels.by_time if not plan.recorded and any(each.label for r in rulesets for each in r.features) else ()
        )
        backtester = Backtester(ruleset, against, labelled=[each.order_id for each in counted_labels])
        past = _Past(backtester, counted_labels, await read_list_changes(connection))
        span = warm if backtester.has_history else plan.span
        async with aclosing(read_orders(connection, span, with_features=plan.recorded)) as chunks:
            async for rows in chunks:
                decided = 0
                for row in rows:
                    *columns, outcome, features = row
                    event = event_from_columns(columns)
                    if event.created_date >= past.following:
                        past.happen_until(event.created_date)
                    if event.created_date < plan.span.since:
                        backtester.warm_up(event)
                    else:
                        label = labels.current.get(event.order_id)
                        order = PastOrder(event, _OUTCOMES[outcome], label)
                        decision = (
                            backtester.decide_recorded(order, _without_lists(features))
                            if plan.recorded
                            else backtester.decide(order)
                        )
                        if observe is not None:
                            observe(order, decision)
                        decided += 1
                advance(decided)
    return backtester.tally


def _without_lists(features: str) -> dict[str, Any]:
    """Recorded features; in which lists the order is follows from the changes of lists and from the ruleset."""
    recorded: dict[str, Any] = orjson.loads(features)
    recorded.pop(LISTS, None)
    return recorded


class _Past:
    """What happened beside the orders: labels and changes of lists; and once a day, what is out of reach is deleted."""

    def __init__(self, backtester: Backtester, labels: Sequence[PastLabel], changes: Sequence[ListChange]) -> None:
        self._backtester = backtester
        self._labels = deque(labels)
        self._changes = deque(changes)
        self._forget_at = UNIX_EPOCH
        self.following = UNIX_EPOCH
        """When the next of it happens."""

    def happen_until(self, moment: datetime) -> None:
        """Apply what happened up to a moment."""
        while self._labels and self._labels[0].labelled_at <= moment:
            _, order_id, label = self._labels.popleft()
            self._backtester.apply_label(order_id, label)
        while self._changes and self._changes[0].changed_at <= moment:
            _, number, entries = self._changes.popleft()
            self._backtester.change_lists(number, entries)
        if moment >= self._forget_at:
            self._backtester.forget()
            self._forget_at = moment + _FORGET_EVERY
        times = [each.labelled_at for each in islice(self._labels, 1)]
        times += [each.changed_at for each in islice(self._changes, 1)]
        self.following = min([self._forget_at, *times])
