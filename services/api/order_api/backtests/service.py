"""Requesting, reading and cancelling backtests."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Request

from decision_engine.ruleset import Ruleset
from order_api.auth.dependencies import authentication_of, principal_of
from order_api.auth.keys import Scope
from order_api.auth.personal_data import PersonalDataPolicy
from order_api.backtests.filters import WantedBacktest
from order_api.backtests.processes import BacktestProcesses
from order_api.http.problems.availability import DatabaseUnavailable, QueryTooSlow
from order_api.http.problems.requests import NotAuthenticated, NotPermitted
from order_api.http.problems.rulesets import BacktestEnded, BacktestUnfinished, BacktestUnknown
from order_api.kit.database import Database
from order_api.kit.fair_turns import FairPool, OpenRequests
from order_api.kit.registry import Provider
from order_api.settings import ApiSettings
from order_api.what_if.filters import RulesetChoice, SavedDraft, StoredVersion
from order_api.what_if.service import find_ruleset
from order_backtests.repository import (
    NewBacktest,
    State,
    StoredBacktest,
    add_backtest,
    end_backtest,
    find_backtest,
    list_backtests,
    read_page,
    read_report,
)
from order_backtests.worker_messages import Task

FOLLOW_SECONDS: Final = 0.5
CHECK_SECONDS: Final = 10.0
"""How often it is checked that the key of a stream is still valid."""


@dataclass(slots=True)
class BacktestService:
    """Backtests: their rows by the connections for listings, their processes in this one."""

    settings: ApiSettings
    database: Database
    listings: FairPool
    processes: BacktestProcesses
    open_requests: OpenRequests
    personal_data: PersonalDataPolicy
    is_closed: bool = False

    async def request(self, request: Request, wanted: WantedBacktest) -> dict[str, Any]:
        """Store a backtest and run it when it is its turn. Raises what `POST /v1/backtests` responds with."""
        self._require_unmasked(request)
        since, until = wanted.bounds()
        self.processes.admit()
        author = principal_of(request).author
        ruleset = await self._find(request, wanted.ruleset)
        against = None if wanted.against is None else await self._find(request, wanted.against)
        self.processes.admit()
        name = _name(wanted.ruleset)
        against_name = None if wanted.against is None else _name(wanted.against)
        stored = await add_backtest(
            self.database,
            NewBacktest(
                author=author,
                ruleset_name=name,
                ruleset_version=ruleset.version,
                against_name=against_name,
                against_version=None if against is None else against.version,
                since=since,
                until=until,
            ),
        )
        settings = self.settings
        self.processes.start(
            stored.id,
            Task(
                database_url=settings.database_url.get_secret_value(),
                orders_topic=settings.orders_topic,
                labels_topic=settings.labels_topic,
                since=since,
                until=until,
                name=_full_name(name, ruleset),
                content=ruleset.content,
                against_name=None if against is None or against_name is None else _full_name(against_name, against),
                against=None if against is None else against.content,
                megabytes=settings.api_backtest_megabytes,
            ),
        )
        return as_document(stored)

    async def find(self, request: Request, backtest_id: int) -> dict[str, Any]:
        """A backtest with its report. Raises BacktestUnknown, NotPermitted."""
        self._require_unmasked(request)
        stored = await self._read(backtest_id)
        return {**as_document(stored), "report": await read_report(self.database, backtest_id)}

    async def page(self, request: Request, backtest_id: int) -> str:
        """The report as HTML. Raises BacktestUnknown, BacktestUnfinished, NotPermitted."""
        self._require_unmasked(request)
        stored = await self._read(backtest_id)
        page = await read_page(self.database, backtest_id)
        if page is None:
            raise BacktestUnfinished(backtest_id, stored.state)
        return page

    async def list(
        self, request: Request, *, state: State | None, before: int | None, count: int
    ) -> Sequence[StoredBacktest]:
        """Backtests, newest first."""
        return await self.listings.run(
            request,
            principal_of(request).key_id,
            lambda database: list_backtests(database, state=state, before=before, count=count),
        )

    async def cancel(self, backtest_id: int) -> dict[str, Any]:
        """Cancel a backtest. Raises BacktestUnknown, BacktestEnded."""
        stored = await self._read(backtest_id)
        if stored.state.has_ended or not await end_backtest(self.database, backtest_id, State.CANCELLED):
            raise BacktestEnded(backtest_id)
        self.processes.cancel(backtest_id)
        return as_document(await self._read(backtest_id))

    async def open_progress(self, request: Request, backtest_id: int) -> AsyncIterator[dict[str, Any]]:
        """A backtest as it is sent, whenever it has changed: until it has ended, the key is revoked or the API stops.

        Raises BacktestUnknown, TooManyAtOnce, NotPermitted before the first.
        """
        await self.require(request, backtest_id)
        key_id = principal_of(request).key_id
        self.open_requests.admit(key_id)
        return self._follow(request, backtest_id, self.open_requests.hold(key_id))

    async def _follow(
        self, request: Request, backtest_id: int, held: AbstractContextManager[None]
    ) -> AsyncIterator[dict[str, Any]]:
        clock = asyncio.get_running_loop().time
        ends, checked = clock() + self.settings.api_stream_seconds, clock()
        sent: dict[str, Any] | None = None
        with held:
            while not self.is_closed and clock() < ends:
                try:
                    stored = await find_backtest(self.database, backtest_id)
                    if clock() - checked > CHECK_SECONDS:
                        checked = clock()
                        await authentication_of(request).require_still_permitted(request)
                except (DatabaseUnavailable, QueryTooSlow):
                    await asyncio.sleep(FOLLOW_SECONDS)
                    continue
                except NotAuthenticated:
                    return
                if stored is None:
                    return
                document = as_document(stored)
                if document != sent:
                    sent = document
                    yield document
                if stored.state.has_ended:
                    return
                await asyncio.sleep(FOLLOW_SECONDS)

    def release(self) -> None:
        """End the streams of progress."""
        self.is_closed = True

    async def require(self, request: Request, backtest_id: int) -> None:
        """Raises BacktestUnknown, NotPermitted."""
        self._require_unmasked(request)
        await self._read(backtest_id)

    async def _read(self, backtest_id: int) -> StoredBacktest:
        stored = await find_backtest(self.database, backtest_id)
        if stored is None:
            raise BacktestUnknown(backtest_id)
        return stored

    async def _find(self, request: Request, wanted: RulesetChoice) -> Ruleset:
        ruleset, _ = await find_ruleset(self.database, wanted)
        if ruleset.schema.lists and not principal_of(request).has_scope(Scope.LISTS):
            raise NotPermitted("a backtest of rules that look into lists needs a key with scope lists")
        return ruleset

    def _require_unmasked(self, request: Request) -> None:
        if self.personal_data.masks(principal_of(request)):
            raise NotPermitted("backtests count orders by device and address, which are masked for your key")


Backtests = Annotated[BacktestService, Depends(Provider(BacktestService))]


def as_document(stored: StoredBacktest) -> dict[str, Any]:
    """A backtest as it is sent."""
    fields = asdict(stored)
    ruleset = {"name": fields.pop("ruleset_name"), "version": fields.pop("ruleset_version")}
    against = {"name": fields.pop("against_name"), "version": fields.pop("against_version")}
    return {
        **fields,
        "from": fields.pop("since"),
        "to": fields.pop("until"),
        "ruleset": ruleset,
        "against": None if against["version"] is None else against,
    }


def _name(wanted: RulesetChoice) -> str:
    match wanted:
        case StoredVersion():
            return wanted.version
        case SavedDraft():
            return f"draft {wanted.draft_name}"
    return "draft"


def _full_name(name: str, ruleset: Ruleset) -> str:
    return name if name == ruleset.version else f"{name} ({ruleset.version})"
