"""`/v1/stats`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field

from order_api import queries
from order_api.authentication import caller_of, reader
from order_api.contradictions import refuse_contradictions
from order_api.database import Database
from order_api.guarded_route import GuardedRoute
from order_api.keys import Scope
from order_api.openapi import responses
from order_api.parameters import Bound, Optional, refuse_repeated
from order_api.services import AllServices
from order_api.stats.model import Stats
from order_api.stats.summary import Counted, statistics

WINDOW: Final = timedelta(hours=24)
MOST_FLAGGED: Final = 10

router = APIRouter(prefix="/v1", route_class=GuardedRoute, tags=["stats"], dependencies=[reader(Scope.STATS)])


class WindowParameters(BaseModel):
    """Parameters of `/v1/stats`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: Annotated[
        Optional[Bound], Field(alias="from", description="created at or after this; by default 24 hours before `to`")
    ] = None
    end: Annotated[Optional[Bound], Field(alias="to", description="created before this; by default now")] = None


@router.get("/stats", operation_id="get_stats", responses=responses(401, 403, 422, 429, 503))
async def get_stats(
    request: Request, response: Response, services: AllServices, window: Annotated[WindowParameters, Query()]
) -> Stats:
    """Orders of a time window by outcome, status and rule, their amounts, and how the stream is doing.

    The window is about when orders were placed; `stream` is about now.
    """
    refuse_repeated(request)
    refuse_contradictions(window)
    _refuse_future(window)
    response.headers["Cache-Control"] = "no-store"
    counted = services.stats.fresh(window)
    if counted is None:
        counted = await services.statistics.run(
            request,
            caller_of(request),
            lambda database: services.stats.get(window, lambda: _count(database, window)),
        )
    return statistics(counted, await services.lag.read())


def _refuse_future(window: WindowParameters) -> None:
    if window.start is not None and window.end is None and window.start >= (now := datetime.now(UTC)):
        message = f"is not before now ({now:%Y-%m-%dT%H:%M:%SZ}), and `to` is now by default; write an earlier time"
        raise RequestValidationError(
            [{"type": "contradiction", "loc": ("query", "from"), "input": window.start.isoformat(), "msg": message}]
        )


async def _count(database: Database, window: WindowParameters) -> Counted:
    now = datetime.now(UTC)
    end = window.end or now
    start = window.start or end - WINDOW
    async with database.snapshot() as snapshot:  # the parts add up, while orders arrive, too
        groups = await queries.groups(snapshot, start, end)
        users = await queries.flagged_users(snapshot, start, end, MOST_FLAGGED)
        outcomes = await queries.stream_outcomes(snapshot)
    return Counted(start, end, now, groups, users, outcomes)
