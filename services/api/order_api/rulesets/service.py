"""Rulesets over the API: what is active, drafts, publishing after the check, and rolling back."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Final

import orjson
from fastapi import Depends, Request

from decision_engine.diagnostics import diagnose
from decision_engine.pack_mode import PackMode
from decision_engine.ruleset import Ruleset
from order_api.auth.dependencies import principal_of
from order_api.auth.keys import Scope
from order_api.auth.personal_data import PersonalDataPolicy
from order_api.backtests.processes import BacktestProcesses
from order_api.http.problems.requests import NotPermitted
from order_api.http.problems.rulesets import (
    ConfirmationNeeded,
    DraftRefused,
    DraftUnknown,
    NoActiveRuleset,
    PublicationRefused,
)
from order_api.kit.database import Database, PoolConnection
from order_api.kit.fair_turns import FairPool, while_connected
from order_api.kit.registry import Provider
from order_api.rulesets.documents import diagnosis_document, rules_document
from order_api.rulesets.filters import Approval, DraftContent, Publication, Rollback, RolloutChange, RulesetText
from order_api.settings import ApiSettings
from order_api.what_if.service import parse_draft_text
from order_backtests.priority import Priority
from order_backtests.publication.check import UNCHECKED, CheckPlan, CheckResult, as_recorded, plan_check, plan_newest
from order_backtests.publication.flag_watch import read_flag_watch
from order_backtests.publication.publishing import (
    add_pack,
    approval_evidence,
    explain_draft,
    parse_draft,
    publish_ruleset,
    require_approval,
    require_examples,
    roll_back,
)
from order_backtests.publication.stored_versions import read_ruleset
from order_backtests.repository import State
from order_backtests.worker_messages import Task
from order_contract.reference_data import PaymentMethods
from order_contract.ruleset_pointer import RulesetPointer
from order_platform.command_line.errors import CommandError
from order_platform.postgres import ruleset_drafts
from order_platform.postgres.ruleset_drafts import Draft, DraftError, UnknownDraftError
from order_platform.postgres.ruleset_versions import read_active_version, read_pointer

CHECK_SECONDS: Final = 60.0
"""How long the check before publishing may take, a wait for another one included."""
_BY_BACKTEST: Final = "See what changes by POST /v1/backtests."
_UNCHECKED: Final = f'See what changes by POST /v1/backtests, then publish with "confirm": "{UNCHECKED}"'
PREVIEW_ORDERS: Final = 10_000
PREVIEW_HISTORY: Final = 200_000
"""Orders that a preview reads at most for history features that were not recorded with the newest orders."""
PREVIEW_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class RulesetService:
    """Rulesets: read on the connections for listings and statistics, changed on one of the former.

    One check runs at a time in this process of the API, in a process of its own.
    """

    settings: ApiSettings
    listings: FairPool
    statistics: FairPool
    processes: BacktestProcesses
    personal_data: PersonalDataPolicy
    checking: asyncio.Lock = field(default_factory=asyncio.Lock)
    described: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The rules of the version that was last asked for: a version never changes, and describing it takes long."""

    async def active(self, request: Request) -> dict[str, Any]:
        """What is active with its watch. Raises NoActiveRuleset."""

        async def work(database: Database) -> dict[str, Any]:
            async with database.snapshot() as connection:
                watch = await read_flag_watch(connection, self.settings, self.settings.orders_topic)
            if watch is None:
                raise NoActiveRuleset
            activation = asdict(watch.activation)
            del activation["pointer"]
            return {**_pointer(watch.activation.pointer), **activation, "watch": watch.as_document()}

        return await self.statistics.run(request, principal_of(request).key_id, work)

    async def rules(self, request: Request) -> dict[str, Any]:
        """The active rules, with those of the marketplace pack. Raises NoActiveRuleset, PublicationRefused."""
        async with self._connection(request) as connection:
            version = await read_active_version(connection)
            if version is None:
                raise NoActiveRuleset
            found = self.described.get(version)
            if found is None:
                own = await read_ruleset(connection, version)
                found = await asyncio.to_thread(_describe, own, self.settings.marketplace_pack)
                self.described.clear()
                self.described[version] = found
        return found

    async def diagnose(self, wanted: RulesetText) -> dict[str, Any]:
        """What is wrong with a text, and which names it may use."""
        methods = PaymentMethods(self.settings.payment_methods)
        found = await asyncio.to_thread(diagnose, wanted.content, self.settings.marketplace_pack, methods)
        return diagnosis_document(found)

    async def preview(self, request: Request, wanted: RulesetText) -> dict[str, Any]:
        """What a text would change on the newest orders: the report of a backtest against the active version.

        Nothing is stored. Raises RulesetRefused, NotPermitted, PublicationRefused.
        """
        principal = principal_of(request)
        if self.personal_data.masks(principal):
            raise NotPermitted("a preview counts orders by device and address, which are masked for your key")
        ruleset = await parse_draft_text(wanted.content)
        if ruleset.schema.lists and not principal.has_scope(Scope.LISTS):
            raise NotPermitted("a preview of rules that look into lists needs a key with scope lists")
        async with self._connection(request) as connection:
            plan = await plan_newest(connection, self.settings.orders_topic, ruleset, PREVIEW_ORDERS)
        if plan is None:
            raise PublicationRefused("there is nothing to compare: no order, or these are the active rules")
        task = self._task(plan, "the draft", ruleset.content, most_history=PREVIEW_HISTORY)
        report: dict[str, Any] = await while_connected(
            request, self._report(task, Priority.PREVIEW, PREVIEW_SECONDS, "preview", _BY_BACKTEST)
        )
        return report

    async def drafts(self, request: Request, *, after: str, count: int) -> Sequence[Draft]:
        """Drafts in the order of their names, from the one after `after` on."""
        return await self.listings.run(
            request, principal_of(request).key_id, lambda database: ruleset_drafts.page_drafts(database, after, count)
        )

    async def draft(self, request: Request, name: str) -> dict[str, Any]:
        """A draft with its content and its difference. Raises DraftUnknown, PublicationRefused."""
        async with self._connection(request) as connection:
            found = await ruleset_drafts.find_draft(connection, name)
            return {**asdict(found), "difference": await explain_draft(connection, found)}

    async def save(self, request: Request, name: str, wanted: DraftContent) -> Draft:
        """Create or change a draft. Raises RulesetRefused, DraftRefused."""
        ruleset = await parse_draft_text(wanted.content)
        author = principal_of(request).author
        async with self._connection(request) as connection:
            return await ruleset_drafts.save_draft(
                connection, name, ruleset.version, ruleset.content, author=author, message=_stripped(wanted.message),
            )  # fmt: skip

    async def discard(self, request: Request, name: str) -> None:
        """Delete a draft. Raises DraftUnknown."""
        author = principal_of(request).author
        async with self._connection(request) as connection:
            await ruleset_drafts.delete_draft(connection, name, author=author)

    async def approve(self, request: Request, name: str, wanted: Approval) -> Draft:
        """Approve a draft. Raises DraftUnknown, DraftRefused."""
        author = principal_of(request).author
        async with self._connection(request) as connection:
            return await ruleset_drafts.approve_draft(connection, name, wanted.version, approver=author)

    async def publish(self, request: Request, name: str, wanted: Publication) -> dict[str, Any]:
        """Check and publish a draft. Raises DraftUnknown, DraftRefused, PublicationRefused, ConfirmationNeeded."""
        async with self._connection(request) as connection:
            draft = await ruleset_drafts.find_draft(connection, name)
            draft.require_version(wanted.version)
            require_approval(draft, wanted=self.settings.publish_approval)
            ruleset = await asyncio.to_thread(self._parse, draft)
            plan = await plan_check(connection, self.settings, self.settings.orders_topic, ruleset, wanted.confirm)
        found = None if plan is None else await while_connected(request, self._check(draft, plan))
        if found is not None and found.needs_confirmation(self.settings, wanted.confirm):
            raise ConfirmationNeeded(found.too_many_changes(self.settings), found._asdict())
        author = principal_of(request).author
        async with self._connection(request) as connection:
            before, after = await publish_ruleset(
                connection, ruleset, wanted.percent,
                pack=self.settings.marketplace_pack, author=author, message=_stripped(wanted.message) or draft.message,
                evidence={**as_recorded(found, wanted.confirm), **approval_evidence(draft)},
            )  # fmt: skip
        return _published(before, after, None if found is None else found._asdict())

    async def roll_back(self, request: Request, wanted: Rollback) -> dict[str, Any]:
        """Make an earlier version active again. Raises PublicationRefused."""
        author, pack = principal_of(request).author, self.settings.marketplace_pack
        async with self._connection(request) as connection:
            before, after = await roll_back(
                connection, wanted.version, pack=pack, author=author, message=_stripped(wanted.message)
            )
        return _published(before, after, None)

    async def change_rollout(self, request: Request, wanted: RolloutChange) -> dict[str, Any]:
        """Let the candidate decide for more or fewer users. Raises PublicationRefused, DraftRefused."""
        author = principal_of(request).author
        async with self._connection(request) as connection:
            pointer = await read_pointer(connection)
            if pointer is None or pointer.candidate != wanted.candidate:
                raise PublicationRefused(
                    f"version {wanted.candidate} is not rolled out; look at the active version again"
                )
            ruleset = await read_ruleset(connection, wanted.candidate)
            before, after = await publish_ruleset(
                connection, ruleset, wanted.percent,
                pack=self.settings.marketplace_pack, author=author, message=_stripped(wanted.message),
            )  # fmt: skip
        return _published(before, after, None)

    def _parse(self, draft: Draft) -> Ruleset:
        ruleset = parse_draft(draft)
        require_examples(ruleset, f"draft {draft.name}")
        add_pack(ruleset, self.settings.marketplace_pack)
        return ruleset

    async def _check(self, draft: Draft, plan: CheckPlan) -> CheckResult:
        task = self._task(plan, f"draft {draft.name}", draft.content)
        report = await self._report(task, Priority.LOW, CHECK_SECONDS, "check", _UNCHECKED)
        return CheckResult(
            report["orders"], report["changed"], report["flagged_before"]["orders"], report["flagged"]["orders"]
        )

    def _task(self, plan: CheckPlan, name: str, content: str, **bounds: int) -> Task:
        settings = self.settings
        return Task(
            database_url=settings.database_url.get_secret_value(),
            orders_topic=settings.orders_topic,
            labels_topic=settings.labels_topic,
            since=plan.span.since,
            until=plan.span.until,
            name=name,
            content=content,
            against_name=plan.active.version,
            against=plan.active.content,
            megabytes=settings.api_backtest_megabytes,
            **bounds,
        )

    async def _report(self, task: Task, priority: Priority, seconds: float, what: str, advice: str) -> dict[str, Any]:
        try:
            async with asyncio.timeout(seconds), self.checking:
                end = await self.processes.run_unstored(task, priority)
        except TimeoutError:
            raise PublicationRefused(f"the {what} took longer than {seconds:.0f} s. {advice}") from None
        if end.state is not State.DONE or end.report is None:
            raise PublicationRefused(f"the {what} failed: {end.error}")
        report: dict[str, Any] = orjson.loads(end.report)
        return report

    @asynccontextmanager
    async def _connection(self, request: Request) -> AsyncIterator[PoolConnection]:
        """A connection when it is the key's turn; errors about drafts and publications become problems."""
        async with self.listings.turns.turn(principal_of(request).key_id):
            try:
                async with self.listings.database.connection() as connection:
                    yield connection
            except UnknownDraftError as error:
                raise DraftUnknown(str(error)) from None
            except DraftError as error:
                raise DraftRefused(str(error)) from None
            except CommandError as error:
                raise PublicationRefused(str(error)) from None


Rulesets = Annotated[RulesetService, Depends(Provider(RulesetService))]


def _pointer(pointer: RulesetPointer) -> dict[str, Any]:
    return {"version": pointer.version, "candidate": pointer.candidate, "percent": pointer.percent}


def _published(before: RulesetPointer | None, after: RulesetPointer, check: Mapping[str, int] | None) -> dict[str, Any]:
    return {**_pointer(after), "replaced": None if before is None else before.version, "check": check}


def _stripped(text: str | None) -> str | None:
    return None if text is None else text.strip()


def _describe(own: Ruleset, pack: PackMode) -> dict[str, Any]:
    return rules_document(own, add_pack(own, pack))
