"""`/workbench/rules/overlaps` and `/workbench/rules/scores`: rules that fire together, and the operating point."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import Query, Request, Response

from order_api.auth.dependencies import reader
from order_api.auth.keys import Scope
from order_api.http.problems.rulesets import NoActiveRuleset
from order_api.rules.filters import RangeParameters
from order_api.rules.schemas import Overlaps
from order_api.rules.service import Rules
from order_api.rulesets.service import Rulesets
from order_contract.business_time import business_date
from order_workbench.kit.rendering import render_page
from order_workbench.kit.routing import page_router

router = page_router(reader(Scope.RULESETS), reader(Scope.STATS))

MOST_IN_MATRIX: Final = 30


@router.get("/rules/overlaps")
async def show_overlaps(request: Request, rules: Rules, parameters: Annotated[RangeParameters, Query()]) -> Response:
    """A matrix of the rules that fire on the same orders."""
    found = await rules.overlaps(request, parameters)
    return render_page(
        request, "rules/overlaps.html",
        found=found, shown=found.rules[:MOST_IN_MATRIX], matrix=_matrix(found), **_dates(found.start, found.end),
    )  # fmt: skip


@router.get("/rules/scores")
async def show_scores(
    request: Request, rules: Rules, rulesets: Rulesets, parameters: Annotated[RangeParameters, Query()]
) -> Response:
    """The distribution of risk scores, and what a threshold would mean."""
    found = await rules.operating_points(request, parameters)
    try:
        active = await rulesets.rules(request)
    except NoActiveRuleset:
        active = None
    return render_page(request, "rules/scores.html", found=found, active=active, **_dates(found.start, found.end))


def _matrix(found: Overlaps) -> dict[str, dict[str, int]]:
    """By rule, the orders on which each other rule fires, too."""
    matrix: dict[str, dict[str, int]] = {each.rule: {} for each in found.rules}
    for overlap in found.overlaps:
        one, other = overlap.rules
        matrix[one][other] = matrix[other][one] = overlap.orders
    return matrix


def _dates(start: datetime, end: datetime) -> dict[str, Any]:
    """The range as business dates, for the form; without an end of its own it is up to now."""
    is_now = end > datetime.now(UTC) - timedelta(minutes=1)
    return {"since": business_date(start), "until": "" if is_now else business_date(end)}
