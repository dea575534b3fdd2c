"""Changes of one route among the others, as functions of all routes."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from order_api.http.problems.reviews import ReviewRouteExists, ReviewRouteUnknown, TooManyReviewRoutes
from order_api.review_routes.filters import MOST_ROUTES, ReviewRoute

Edit: TypeAlias = Callable[[Sequence[ReviewRoute]], Sequence[ReviewRoute]]
"""Gives the routes after a change from those before it."""


def add_route(route: ReviewRoute, before: str | None) -> Edit:
    """Add a route in front of the one named `before`, without it at the end.

    Raises ReviewRouteExists, TooManyReviewRoutes, ReviewRouteUnknown.
    """

    def edit(routes: Sequence[ReviewRoute]) -> Sequence[ReviewRoute]:
        if any(each.name == route.name for each in routes):
            raise ReviewRouteExists(route.name)
        if len(routes) >= MOST_ROUTES:
            raise TooManyReviewRoutes(MOST_ROUTES)
        place = len(routes) if before is None else _find(routes, before)
        return [*routes[:place], route, *routes[place:]]

    return edit


def change_route(route: ReviewRoute) -> Edit:
    """Replace the route of this name, in its place. Raises ReviewRouteUnknown."""

    def edit(routes: Sequence[ReviewRoute]) -> Sequence[ReviewRoute]:
        place = _find(routes, route.name)
        return [*routes[:place], route, *routes[place + 1 :]]

    return edit


def shift_route(name: str, steps: int) -> Edit:
    """Try a route so many places later, or earlier if negative; the ends hold it. Raises ReviewRouteUnknown."""

    def edit(routes: Sequence[ReviewRoute]) -> Sequence[ReviewRoute]:
        place = _find(routes, name)
        others = [*routes[:place], *routes[place + 1 :]]
        target = max(0, place + steps)
        return [*others[:target], routes[place], *others[target:]]

    return edit


def remove_route(name: str) -> Edit:
    """Remove a route; without the last one the default route is in force. Raises ReviewRouteUnknown."""

    def edit(routes: Sequence[ReviewRoute]) -> Sequence[ReviewRoute]:
        place = _find(routes, name)
        return [*routes[:place], *routes[place + 1 :]]

    return edit


def _find(routes: Sequence[ReviewRoute], name: str) -> int:
    for place, route in enumerate(routes):
        if route.name == name:
            return place
    raise ReviewRouteUnknown(name)
