"""`/workbench/now`: the live list, and the figures above it."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import Header, Query, Request, Response
from sse_starlette import EventSourceResponse

from order_api.auth.dependencies import principal_of, reader
from order_api.auth.keys import Scope
from order_api.decisions.filters import LastEventId, StreamParameters
from order_api.decisions.routes import Decisions
from order_api.decisions.schemas import retry_field
from order_api.health.service import Health
from order_api.kit.event_streams import KEEP_ALIVE_SECONDS, keep_alive
from order_api.stats.filters import WindowParameters
from order_api.stats.service import Statistics
from order_contract.business_time import business_date, business_date_start
from order_workbench.kit.part_events import part_event
from order_workbench.kit.rendering import pages_of, render_page
from order_workbench.kit.routing import page_router
from order_workbench.now.live_events import Moment, gather_moments

router = page_router(reader(Scope.DECISIONS))

RECENT: Final = timedelta(minutes=5)
TOP_RULES: Final = 5


@router.get("/now")
async def show_now(request: Request, parameters: Annotated[StreamParameters, Query()]) -> Response:
    """The page; its filters are those of the stream."""
    return render_page(request, "now/page.html", parameters=parameters, query=request.url.query)


@router.get("/now/figures")
async def show_figures(request: Request, statistics: Statistics, health: Health) -> Response:
    """Orders and flags a minute, lag and health; asked for every few seconds."""
    end = _step(datetime.now(UTC), 5)
    recent = await statistics.compute(request, principal_of(request).key_id, _window(end - RECENT, end))
    checks = {"PostgreSQL": await health.check_postgres(), "Kafka": await health.check_kafka()}
    return render_page(request, "now/figures.html", minutes=RECENT.total_seconds() / 60, recent=recent, checks=checks)


@router.get("/now/today")
async def show_today(request: Request, statistics: Statistics) -> Response:
    """Orders, flags, money and rules since midnight; asked for twice a minute, as it reads all of them."""
    end = _step(datetime.now(UTC), 30)
    start = business_date_start(business_date(end))
    today = await statistics.compute(request, principal_of(request).key_id, _window(start, end))
    return render_page(request, "now/today.html", today=today, top_rules=today.hits_by_rule[:TOP_RULES])


@router.get("/now/stream")
async def stream_now(
    request: Request,
    decisions: Decisions,
    parameters: Annotated[StreamParameters, Query()],
    last_event_id: Annotated[LastEventId, Header(alias="Last-Event-ID")] = None,
) -> EventSourceResponse:
    """The decisions as rows, a few times a second; resumes after `Last-Event-ID` without gap or repeat."""
    stream = decisions.open(request, parameters, last_event_id)
    return EventSourceResponse(_rows(request, stream), ping=KEEP_ALIVE_SECONDS, ping_message_factory=keep_alive)


async def _rows(request: Request, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield retry_field()
    async with aclosing(gather_moments(chunks)) as moments:  # type: ignore[type-var]
        async for moment in moments:
            yield _event(request, moment)


def _event(request: Request, moment: Moment) -> bytes:
    if not moment.decisions and moment.reset is None:
        return b"id: %b\n\n" % moment.event_id.encode()
    return part_event(pages_of(request).render(request, "now/rows.html", moment=moment), moment.event_id)


def _step(moment: datetime, seconds: int) -> datetime:
    """Windows end on whole steps, so that all who look at the page share what was counted."""
    return moment.replace(second=moment.second - moment.second % seconds, microsecond=0)


def _window(start: datetime, end: datetime) -> WindowParameters:
    return WindowParameters.model_validate({"from": start, "to": end})
