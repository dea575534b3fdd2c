"""`/v1/backtests`."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from sse_starlette import EventSourceResponse
from starlette.responses import HTMLResponse

from order_api.auth.dependencies import reader, reviewer
from order_api.auth.keys import Scope
from order_api.backtests.filters import BacktestId, BacktestParameters, WantedBacktest
from order_api.backtests.schemas import (
    EVENT_SCHEMA,
    EXAMPLE_EVENT,
    BacktestPage,
    BacktestSummary,
    BacktestWithReport,
    progress_event,
)
from order_api.backtests.service import Backtests, as_document
from order_api.http.json_response import json_response
from order_api.http.problems.openapi import responses
from order_api.http.problems.requests import NotAcceptable
from order_api.kit.event_streams import EVENT_STREAM, KEEP_ALIVE_SECONDS, accepts, keep_alive
from order_api.kit.pagination import LINK_HEADER, cut_page, link_headers, parse_id, read_cursor
from order_api.kit.query_parameters import reject_repeated
from order_api.kit.routing import CredentialsFirstRoute

router = APIRouter(prefix="/v1", route_class=CredentialsFirstRoute, tags=["backtests"])

_READER: Final = [reader(Scope.ORDERS)]
_REVIEWER: Final = [reviewer(Scope.ORDERS)]
_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Server-sent events, until the backtest has ended",
        "content": {EVENT_STREAM: {"schema": EVENT_SCHEMA, "examples": {"progress": {"value": EXAMPLE_EVENT}}}},
    },
    **responses(401, 403, 404, 406, 422, 429, 503),
}
_PAGE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A page that is complete in itself, without scripts",
        "content": {"text/html": {"schema": {"type": "string"}, "example": "<!doctype html>..."}},
    },
    **responses(401, 403, 404, 409, 422, 429, 503),
}
# The page has its style sheet in it, and nothing else that a browser would load or run.
_PAGE_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox",
}


@router.post(
    "/backtests",
    operation_id="request_backtest",
    status_code=202,
    response_model=BacktestSummary,
    responses={
        202: {
            "description": "It runs when it is its turn",
            "headers": {"Location": {"description": "its path", "schema": {"type": "string"}}},
        },
        **responses(401, 403, 404, 409, 413, 415, 422, 429, 503),
    },
    dependencies=_REVIEWER,
)
async def request_backtest(request: Request, backtests: Backtests, wanted: WantedBacktest) -> Response:
    """Decide past orders by a ruleset, in the background, in a process of its own at low priority.

    Nothing is changed. One runs at a time, and a few wait, unless settings say otherwise.
    """
    document = await backtests.request(request, wanted)
    return json_response(document, 202, headers={"Location": f"/v1/backtests/{document['id']}"})


@router.get(
    "/backtests",
    operation_id="list_backtests",
    response_model=BacktestPage,
    responses={200: LINK_HEADER, **responses(401, 403, 404, 422, 429, 503)},
    dependencies=_READER,
)
async def list_backtests(
    request: Request, backtests: Backtests, parameters: Annotated[BacktestParameters, Query()]
) -> Response:
    """Backtests, newest first, without their reports. The newest 500 are kept."""
    reject_repeated(request)
    listing = ["backtests", parameters.state]
    before = None if parameters.cursor is None else read_cursor(parameters.cursor, listing, parse_id)
    found = await backtests.list(request, state=parameters.state, before=before, count=parameters.limit + 1)
    items, cursor = cut_page(found, parameters.limit, listing, lambda backtest: (backtest.id,))
    page = {"items": [as_document(each) for each in items], "next": cursor}
    return json_response(page, headers=link_headers(request, cursor))


@router.get(
    "/backtests/{backtest_id}",
    operation_id="get_backtest",
    response_model=BacktestWithReport,
    responses=responses(401, 403, 404, 422, 429, 503),
    dependencies=_READER,
)
async def get_backtest(request: Request, backtests: Backtests, backtest_id: BacktestId) -> Response:
    """A backtest with its report, which is null until it is done."""
    return json_response(await backtests.find(request, backtest_id))


@router.get(
    "/backtests/{backtest_id}/report",
    operation_id="get_backtest_report",
    response_class=HTMLResponse,
    responses=_PAGE,
    dependencies=_READER,
)
async def get_report(request: Request, backtests: Backtests, backtest_id: BacktestId) -> Response:
    """The report as one HTML page with charts."""
    return HTMLResponse(await backtests.page(request, backtest_id), headers=_PAGE_HEADERS)


@router.get(
    "/backtests/{backtest_id}/events",
    operation_id="stream_backtest",
    response_class=EventSourceResponse,
    responses=_STREAM,
    dependencies=_READER,
)
async def stream_backtest(request: Request, backtests: Backtests, backtest_id: BacktestId) -> EventSourceResponse:
    """How far a backtest has come, as server-sent events: at first, when that has changed, and when it has ended."""
    if not accepts(request.headers.getlist("accept"), EVENT_STREAM):
        raise NotAcceptable(EVENT_STREAM)
    progress = await backtests.open_progress(request, backtest_id)
    events = (progress_event(document) async for document in progress)
    return EventSourceResponse(events, ping=KEEP_ALIVE_SECONDS, ping_message_factory=keep_alive)


@router.delete(
    "/backtests/{backtest_id}",
    operation_id="cancel_backtest",
    response_model=BacktestSummary,
    responses=responses(401, 403, 404, 409, 422, 429, 503),
    dependencies=_REVIEWER,
)
async def cancel_backtest(backtests: Backtests, backtest_id: BacktestId) -> Response:
    """Cancel a backtest that runs or waits; its process ends within a second."""
    return json_response(await backtests.cancel(backtest_id))
