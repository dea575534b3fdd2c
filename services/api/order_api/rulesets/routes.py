"""`/v1/rulesets`."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from order_api.auth.dependencies import administrator, reader, reviewer
from order_api.auth.keys import Scope
from order_api.http.json_response import json_response
from order_api.http.problems.openapi import responses
from order_api.kit.pagination import LINK_HEADER, cut_page, link_headers, read_cursor
from order_api.kit.query_parameters import reject_repeated
from order_api.kit.routing import CredentialsFirstRoute
from order_api.rulesets.filters import (
    Approval,
    DraftContent,
    DraftName,
    DraftParameters,
    Publication,
    Rollback,
    RolloutChange,
    RulesetText,
)
from order_api.rulesets.schemas import (
    ActiveRules,
    ActiveRuleset,
    Diagnostics,
    DraftDetails,
    DraftPage,
    DraftSummary,
    Preview,
    Published,
)
from order_api.rulesets.service import Rulesets
from order_platform.postgres.ruleset_drafts import draft_document

router = APIRouter(prefix="/v1/rulesets", route_class=CredentialsFirstRoute, tags=["rulesets"])

_READER: Final = [reader(Scope.RULESETS)]
_REVIEWER: Final = [reviewer(Scope.RULESETS)]
_ADMINISTRATOR: Final = [administrator(Scope.RULESETS)]
_PAGE: Final[dict[int | str, dict[str, Any]]] = {200: LINK_HEADER, **responses(401, 403, 404, 422, 429, 503)}
_READ: Final = responses(401, 403, 404, 409, 422, 429, 503)
_CHANGED: Final = responses(401, 403, 404, 409, 413, 415, 422, 429, 503)


@router.get(
    "/active",
    operation_id="get_active_ruleset",
    response_model=ActiveRuleset,
    responses=responses(401, 403, 404, 429, 503),
    dependencies=_READER,
)
async def get_active(request: Request, rulesets: Rulesets) -> Response:
    """What is active, since when and by whom, and how the share of flagged orders has changed since.

    When its verdict is `rise` or `fall` and that is not meant, roll back.
    """
    return json_response(await rulesets.active(request))


@router.get(
    "/active/rules",
    operation_id="get_active_rules",
    response_model=ActiveRules,
    responses=responses(401, 403, 404, 409, 429, 503),
    dependencies=_READER,
)
async def get_active_rules(request: Request, rulesets: Rulesets) -> Response:
    """The rules that detectors have, explained in sentences, with those of the marketplace pack."""
    return json_response(await rulesets.rules(request))


@router.post(
    "/active/rollout",
    operation_id="change_rollout",
    response_model=Published,
    responses=_CHANGED,
    dependencies=_ADMINISTRATOR,
)
async def change_rollout(request: Request, rulesets: Rulesets, wanted: RolloutChange) -> Response:
    """Let the candidate of the present roll-out decide for another percentage of the users; 100 makes it active."""
    return json_response(await rulesets.change_rollout(request, wanted))


@router.post(
    "/diagnostics",
    operation_id="diagnose_ruleset",
    response_model=Diagnostics,
    responses=responses(401, 403, 413, 415, 422, 429, 503),
    dependencies=_READER,
)
async def diagnose_ruleset(request: Request, rulesets: Rulesets, wanted: RulesetText) -> Response:
    """What is wrong with a ruleset that is being written, and which names its conditions may use. Stores nothing."""
    return json_response(await rulesets.diagnose(wanted))


@router.post(
    "/preview",
    operation_id="preview_ruleset",
    response_model=Preview,
    responses=responses(401, 403, 409, 413, 415, 422, 429, 503),
    dependencies=_REVIEWER,
)
async def preview_ruleset(request: Request, rulesets: Rulesets, wanted: RulesetText) -> Response:
    """What a ruleset that is being written would change on the newest 10,000 orders, against the active one.

    Orders are decided by the features that were recorded with them, unless the rules need others. Stores nothing.
    """
    return json_response({"report": await rulesets.preview(request, wanted)})


@router.post(
    "/active/rollback",
    operation_id="roll_back_ruleset",
    response_model=Published,
    responses=_CHANGED,
    dependencies=_ADMINISTRATOR,
)
async def roll_back(request: Request, rulesets: Rulesets, wanted: Rollback) -> Response:
    """Make an earlier version active again, without a check; during a roll-out, end it. Detectors follow in seconds."""
    return json_response(await rulesets.roll_back(request, wanted))


@router.get("/drafts", operation_id="list_drafts", response_model=DraftPage, responses=_PAGE, dependencies=_READER)
async def list_drafts(
    request: Request, rulesets: Rulesets, parameters: Annotated[DraftParameters, Query()]
) -> Response:
    """Rulesets that are worked on, in the order of their names, without their rules."""
    reject_repeated(request)
    listing = ["drafts"]
    after = "" if parameters.cursor is None else read_cursor(parameters.cursor, listing, _parse_name)
    found = await rulesets.drafts(request, after=after, count=parameters.limit + 1)
    items, cursor = cut_page(found, parameters.limit, listing, lambda draft: (draft.name,))
    page = {"items": [draft_document(each) for each in items], "next": cursor}
    return json_response(page, headers=link_headers(request, cursor))


@router.get(
    "/drafts/{name}",
    operation_id="get_draft",
    response_model=DraftDetails,
    responses=_READ,
    dependencies=_READER,
)
async def get_draft(request: Request, rulesets: Rulesets, name: DraftName) -> Response:
    """A draft with its rules, and in sentences how it differs from the active version."""
    return json_response(await rulesets.draft(request, name))


@router.put(
    "/drafts/{name}",
    operation_id="save_draft",
    response_model=DraftSummary,
    responses=_CHANGED,
    dependencies=_REVIEWER,
)
async def save_draft(request: Request, rulesets: Rulesets, name: DraftName, wanted: DraftContent) -> Response:
    """Create a draft, or change it, which ends its approval: you are one of its authors then."""
    return json_response(draft_document(await rulesets.save(request, name, wanted)))


@router.delete(
    "/drafts/{name}",
    operation_id="discard_draft",
    status_code=204,
    responses={204: {"description": "The draft is discarded"}, **responses(401, 403, 404, 422, 429, 503)},
    dependencies=_REVIEWER,
)
async def discard_draft(request: Request, rulesets: Rulesets, name: DraftName) -> Response:
    """Discard a draft; a version that was published from it stays."""
    await rulesets.discard(request, name)
    return Response(status_code=204)


@router.post(
    "/drafts/{name}/approve",
    operation_id="approve_draft",
    response_model=DraftSummary,
    responses=_CHANGED,
    dependencies=_REVIEWER,
)
async def approve_draft(request: Request, rulesets: Rulesets, name: DraftName, wanted: Approval) -> Response:
    """Approve a draft as a second person: none of its authors can, and any change of it ends the approval."""
    return json_response(draft_document(await rulesets.approve(request, name, wanted)))


@router.post(
    "/drafts/{name}/publish",
    operation_id="publish_draft",
    response_model=Published,
    responses=_CHANGED,
    dependencies=_ADMINISTRATOR,
)
async def publish_draft(request: Request, rulesets: Rulesets, name: DraftName, wanted: Publication) -> Response:
    """Check a draft, and let it decide the orders of all users, or of some. Detectors follow within 2 seconds.

    Its examples are run, and the last orders are decided by it and by the active version, which may take some seconds.
    """
    return json_response(await rulesets.publish(request, name, wanted))


def _parse_name(value: str) -> str:
    """The place in a cursor. Raises ValueError for what is not text."""
    if type(value) is not str or "\0" in value:
        raise ValueError("is not a name")
    return value
