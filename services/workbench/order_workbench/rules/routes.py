"""`/workbench/rules`: the active rules with how well each works, a rule's own page, and what is active."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Form, Query, Request, Response

from order_api.auth.dependencies import administrator, reader
from order_api.auth.keys import Scope
from order_api.http.problems.requests import NotFound
from order_api.http.problems.rulesets import NoActiveRuleset
from order_api.kit.query_parameters import HyphenatedName
from order_api.rules.filters import PerformanceParameters, Period
from order_api.rules.schemas import RulePerformance
from order_api.rules.service import Rules
from order_api.rulesets.service import Rulesets
from order_contract.business_time import business_date, business_date_start
from order_workbench.kit.rendering import render_page
from order_workbench.kit.routing import page_router, redirect
from order_workbench.rules.forms import RollbackForm, RolloutForm

router = page_router(reader(Scope.RULESETS))

PAGE: Final = "/workbench/rules"
MOST_DRAFTS: Final = 200
_PERFORMANCE: Final = [reader(Scope.STATS)]
_ADMINISTRATOR: Final = [administrator(Scope.RULESETS)]

RuleId = Annotated[HyphenatedName, Query(alias="id")]


@router.get("/rules")
async def show_rules(request: Request, rulesets: Rulesets) -> Response:
    """The page; figures are loaded after it, as they count orders."""
    try:
        active = await rulesets.rules(request)
    except NoActiveRuleset:
        active = None
    drafts = await rulesets.drafts(request, after="", count=MOST_DRAFTS)
    return render_page(request, "rules/page.html", active=active, drafts=drafts)


@router.get("/rules/active")
async def show_active(request: Request, rulesets: Rulesets) -> Response:
    """What is active, and the share of flagged orders since; asked for every few seconds."""
    return render_page(request, "rules/active.html", active=await rulesets.active(request))


@router.get("/rules/figures", dependencies=_PERFORMANCE)
async def show_figures(request: Request, rulesets: Rulesets, rules: Rules) -> Response:
    """The rules with their hits today and their precision in 30 days."""
    active = await rulesets.rules(request)
    midnight = business_date_start(business_date(datetime.now(UTC)))
    today = await rules.performance(request, _parameters(by_version=False, **{"from": midnight}))
    month = await rules.performance(request, _parameters(by_version=False))
    return render_page(
        request,
        "rules/figures.html",
        active=active,
        today=_by_rule_and_mode(today.items),
        month=_by_rule_and_mode(month.items),
    )


@router.get("/rules/rule", dependencies=_PERFORMANCE)
async def show_rule(
    request: Request, rulesets: Rulesets, rules: Rules, rule_id: RuleId, period: Period = Period.WEEK
) -> Response:
    """A rule: what it does, and how it has worked by period and version."""
    active = await rulesets.rules(request)
    rule = next((each for each in active["items"] if each["rule"] == rule_id), None)
    found = await rules.performance(request, _parameters(rule=rule_id, period=period))
    if rule is None and not found.items:
        raise NotFound(f"no active rule is named {rule_id}, and none of that name fired in the last 30 days")
    return render_page(
        request, "rules/rule.html", rule_id=rule_id, rule=rule, found=found, period=period, periods=tuple(Period)
    )


@router.post("/rules/rollback", dependencies=_ADMINISTRATOR)
async def roll_back(request: Request, rulesets: Rulesets, wanted: Annotated[RollbackForm, Form()]) -> Response:
    """Make the version before the active one active again; during a roll-out, end it."""
    await rulesets.roll_back(request, wanted.wanted())
    return redirect(request, PAGE)


@router.post("/rules/rollout", dependencies=_ADMINISTRATOR)
async def change_rollout(request: Request, rulesets: Rulesets, wanted: Annotated[RolloutForm, Form()]) -> Response:
    """Roll the candidate out to another percentage of the users."""
    await rulesets.change_rollout(request, wanted.wanted())
    return redirect(request, PAGE)


def _parameters(**given: object) -> PerformanceParameters:
    return PerformanceParameters.model_validate(given)


def _by_rule_and_mode(items: Iterable[RulePerformance]) -> Mapping[str, Mapping[str, RulePerformance]]:
    found: dict[str, dict[str, RulePerformance]] = {}
    for item in items:
        found.setdefault(item.rule, {})[item.mode] = item
    return found
