"""`/workbench/system`: what can be reached, detectors, partitions and messages of the stream, dates, and marts."""

import asyncio

from fastapi import Request, Response

from order_api.auth.dependencies import principal_of, reader
from order_api.auth.keys import Scope
from order_api.health.service import Health
from order_api.marts.service import Marts
from order_api.stats.filters import WindowParameters
from order_api.stats.service import Statistics
from order_workbench.kit.documents import plain
from order_workbench.kit.rendering import render_page
from order_workbench.kit.routing import page_router

router = page_router(reader(Scope.STATS))


@router.get("/system")
async def show_system(request: Request, marts: Marts) -> Response:
    """The page; what the stream says is loaded after it, as it counts orders and asks the broker."""
    principal = principal_of(request)
    listed, dates = await asyncio.gather(marts.list_marts(request, principal), marts.list_dates(request, principal))
    return render_page(request, "system/page.html", marts=plain(listed), dates=dates)


@router.get("/system/stream")
async def show_stream(request: Request, health: Health, statistics: Statistics) -> Response:
    """What can be reached, the stream's messages and partitions; asked for every few seconds."""
    postgres, kafka, counted = await asyncio.gather(
        health.check_postgres(),
        health.check_kafka(),
        statistics.compute(request, principal_of(request).key_id, WindowParameters()),
    )
    checks = {"PostgreSQL": postgres, "Kafka": kafka}
    return render_page(request, "system/stream.html", checks=checks, counted=counted)
