"""`/workbench/system`: what can be reached, the topic's partitions, messages of the stream, dates of the marts."""

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
async def show_system(request: Request, health: Health, statistics: Statistics, marts: Marts) -> Response:
    """How the parts of Orderwatch are."""
    principal = principal_of(request)
    counted = await statistics.compute(request, principal.key_id, WindowParameters())
    return render_page(
        request,
        "system/page.html",
        checks={"PostgreSQL": await health.check_postgres(), "Kafka": await health.check_kafka()},
        counted=counted,
        marts=plain(await marts.list_marts(request, principal)),
    )
