"""Forms of the routes' page."""

from typing import Annotated, Literal

from pydantic import Field

from order_api.kit.query_parameters import HyphenatedName
from order_api.review_routes.filters import MAX_DUE_MINUTES, ReviewMove, ReviewRoute
from order_contract.money import MAX_AMOUNT
from order_workbench.kit.forms import PageForm


class RoutesView(PageForm):
    """The page, with the form of the route that is being changed."""

    name: HyphenatedName | None = None


class RouteForm(ReviewRoute):
    """A route as a form sends it: numbers are texts, and what is left empty means any."""

    min_amount: Annotated[int, Field(ge=0, le=MAX_AMOUNT)] | None = None
    due_minutes: Annotated[int, Field(ge=1, le=MAX_DUE_MINUTES)]
    second_review_percent: Annotated[int, Field(ge=0, le=100)] = 0
    before: HyphenatedName | None = None
    """The route in front of which a new one is put; at the end without one."""

    def route(self) -> ReviewRoute:
        """The route."""
        return ReviewRoute(**self.model_dump(exclude={"before"}))


class NamedRouteForm(PageForm):
    """A route that is removed."""

    name: HyphenatedName


class ShiftForm(NamedRouteForm):
    """A route that is tried one place earlier or later."""

    steps: Literal["-1", "1"]


class MoveForm(ReviewMove):
    """Open reviews that another queue gets."""
