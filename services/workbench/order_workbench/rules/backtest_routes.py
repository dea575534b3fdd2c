"""`/workbench/rules/backtests`: backtests of drafts and versions, their progress and their reports."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any, Final

from fastapi import Form, Query, Request, Response
from pydantic import Field
from sse_starlette import EventSourceResponse

from order_api.auth.dependencies import reader, reviewer
from order_api.auth.keys import Scope
from order_api.backtests.filters import MOST_ID, WantedBacktest
from order_api.backtests.service import Backtests, as_document
from order_api.http.problems.rulesets import PublicationRefused, RulesetRefused
from order_api.kit.event_streams import KEEP_ALIVE_SECONDS, keep_alive
from order_api.kit.query_parameters import DIGITS_ONLY, HyphenatedName
from order_api.rulesets.service import Rulesets
from order_api.what_if.filters import RulesetChoice, SavedDraft, StoredVersion
from order_backtests.repository import State
from order_contract.business_time import BUSINESS_ZONE, business_date
from order_workbench.kit.documents import plain
from order_workbench.kit.part_events import part_event
from order_workbench.kit.rendering import pages_of, render_page
from order_workbench.kit.routing import page_router, redirect
from order_workbench.rules.forms import BacktestForm, CancelForm, TextForm

router = page_router(reader(Scope.ORDERS))

MOST_SHOWN: Final = 50
MOST_DRAFTS: Final = 200
_DAYS: Final = timedelta(days=6)
_RULESETS: Final = [reader(Scope.RULESETS)]
_REVIEWER: Final = [reviewer(Scope.ORDERS), reviewer(Scope.RULESETS)]

BacktestId = Annotated[Annotated[int, Field(ge=1, le=MOST_ID), DIGITS_ONLY], Query(alias="id")]


@router.post("/rules/preview", dependencies=_REVIEWER)
async def show_preview(request: Request, rulesets: Rulesets, wanted: Annotated[TextForm, Form()]) -> Response:
    """What the text would change on the newest orders."""
    try:
        report = await rulesets.preview(request, wanted.wanted())
    except (PublicationRefused, RulesetRefused) as refused:
        # Status 200: htmx shows no other part of a page.
        return render_page(request, "rules/preview.html", refused=refused)
    return render_page(request, "rules/preview.html", refused=None, report=report)


@router.get("/rules/backtests", dependencies=_RULESETS)
async def show_backtests(
    request: Request,
    backtests: Backtests,
    rulesets: Rulesets,
    draft: Annotated[HyphenatedName | None, Query()] = None,
) -> Response:
    """The newest backtests, and a form for another one."""
    found = await backtests.list(request, state=None, before=None, count=MOST_SHOWN)
    drafts = await rulesets.drafts(request, after="", count=MOST_DRAFTS)
    last = business_date(datetime.now(UTC))
    return render_page(
        request, "rules/backtests.html",
        found=[as_document(each) for each in found], drafts=drafts, chosen=draft, since=last - _DAYS, last=last,
    )  # fmt: skip


@router.post("/rules/backtests", dependencies=_REVIEWER)
async def request_backtest(
    request: Request, backtests: Backtests, rulesets: Rulesets, wanted: Annotated[BacktestForm, Form()]
) -> Response:
    """Run a backtest, and show how far it is."""
    is_active_needed = wanted.draft is None or wanted.against == "active"
    active = StoredVersion(version=(await rulesets.active(request))["version"]) if is_active_needed else None
    ruleset: RulesetChoice | None = active if wanted.draft is None else SavedDraft(draft_name=wanted.draft)
    assert ruleset is not None  # the active version was asked for
    asked = WantedBacktest.model_validate(
        {
            "ruleset": ruleset,
            "against": active if wanted.against == "active" else None,
            "from": datetime.combine(wanted.since, time(), BUSINESS_ZONE).isoformat(),
            "to": datetime.combine(wanted.last + timedelta(days=1), time(), BUSINESS_ZONE).isoformat(),
        }
    )
    document = await backtests.request(request, asked)
    return redirect(request, f"/workbench/rules/backtest?id={document['id']}")


@router.get("/rules/backtest")
async def show_backtest(request: Request, backtests: Backtests, backtest_id: BacktestId) -> Response:
    """A backtest with its report, or how far it is."""
    found = await backtests.find(request, backtest_id)
    return render_page(request, "rules/backtest.html", found=found, ended=State(found["state"]).has_ended)


@router.get("/rules/backtest/events")
async def stream_progress(request: Request, backtests: Backtests, backtest_id: BacktestId) -> EventSourceResponse:
    """The progress as parts of the page, until the backtest has ended."""
    progress = await backtests.open_progress(request, backtest_id)
    return EventSourceResponse(_parts(request, progress), ping=KEEP_ALIVE_SECONDS, ping_message_factory=keep_alive)


@router.post("/rules/backtest/cancel", dependencies=_REVIEWER)
async def cancel_backtest(request: Request, backtests: Backtests, wanted: Annotated[CancelForm, Form()]) -> Response:
    """Cancel a backtest; its process ends at once."""
    await backtests.cancel(wanted.id)
    return redirect(request, f"/workbench/rules/backtest?id={wanted.id}")


async def _parts(request: Request, documents: AsyncIterator[dict[str, Any]]) -> AsyncIterator[bytes]:
    async with aclosing(documents) as progress:  # type: ignore[type-var]
        async for each in progress:
            found = plain(each)
            ended = State(found["state"]).has_ended
            yield part_event(pages_of(request).render(request, "rules/progress.html", found=found, ended=ended))
