"""`/workbench/queue/routes`: the routes of the review queue in their sequence, and moving reviews between queues."""

from typing import Annotated, Any, Final

from fastapi import Form, Query, Request, Response

from order_api.auth.dependencies import administrator, reader
from order_api.auth.keys import Scope
from order_api.review_routes.edits import add_route, change_route, remove_route, shift_route
from order_api.review_routes.filters import DefaultAction
from order_api.review_routes.service import Routes
from order_workbench.kit.rendering import render_page
from order_workbench.kit.routing import page_router, redirect
from order_workbench.review_routes.forms import MoveForm, NamedRouteForm, RouteForm, RoutesView, ShiftForm

router = page_router()

_PATH: Final = "/workbench/queue/routes"
_ADMINISTRATOR: Final = [administrator(Scope.ORDERS)]


@router.get("/queue/routes", dependencies=[reader(Scope.ORDERS)])
async def show_routes(request: Request, routes: Routes, view: Annotated[RoutesView, Query()]) -> Response:
    """The routes in the sequence in which they are tried, with the open reviews of their queues."""
    return await _render(request, routes, view)


@router.post("/queue/routes/add", dependencies=_ADMINISTRATOR)
async def add(request: Request, routes: Routes, given: Annotated[RouteForm, Form()]) -> Response:
    """Add a route."""
    await routes.edit(request, add_route(given.route(), given.before))
    return redirect(request, _PATH)


@router.post("/queue/routes/change", dependencies=_ADMINISTRATOR)
async def change(request: Request, routes: Routes, given: Annotated[RouteForm, Form()]) -> Response:
    """Change a route; its name stays."""
    await routes.edit(request, change_route(given.route()))
    return redirect(request, _PATH)


@router.post("/queue/routes/shift", dependencies=_ADMINISTRATOR)
async def shift(request: Request, routes: Routes, given: Annotated[ShiftForm, Form()]) -> Response:
    """Try a route earlier or later."""
    await routes.edit(request, shift_route(given.name, int(given.steps)))
    return redirect(request, _PATH)


@router.post("/queue/routes/remove", dependencies=_ADMINISTRATOR)
async def remove(request: Request, routes: Routes, given: Annotated[NamedRouteForm, Form()]) -> Response:
    """Remove a route; its open reviews stay in the queue of its name."""
    await routes.edit(request, remove_route(given.name))
    return redirect(request, _PATH)


@router.post("/queue/routes/move", dependencies=_ADMINISTRATOR)
async def move(request: Request, routes: Routes, given: Annotated[MoveForm, Form()]) -> Response:
    """Move open reviews to the queue of a route, and say how many."""
    moved, remaining = await routes.move(request, given.from_queue, given.to_queue)
    return await _render(request, routes, RoutesView(), moved={**given.model_dump(), "moved": moved, "left": remaining})


async def _render(request: Request, routes: Routes, view: RoutesView, **values: Any) -> Response:
    found = await routes.all(request)
    return render_page(
        request,
        "review_routes/page.html",
        routes=found,
        changed=next((route for route in found if route["name"] == view.name), None),
        open_reviews=await routes.open_reviews(request),
        default_actions=list(DefaultAction),
        **{"moved": None, **values},
    )
