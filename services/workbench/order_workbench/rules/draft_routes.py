"""`/workbench/rules/draft`: a ruleset that is worked on, from the editor to its publication."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Form, Query, Request, Response
from starlette.responses import JSONResponse

from decision_engine.json_schema import ruleset_schema
from decision_engine.ruleset import load_ruleset
from order_api.auth.dependencies import administrator, principal_of, reader, reviewer
from order_api.auth.keys import Scope
from order_api.http.problems.problem import Problem
from order_api.http.problems.rulesets import (
    ConfirmationNeeded,
    DraftRefused,
    DraftUnknown,
    NoActiveRuleset,
    PublicationRefused,
    RulesetRefused,
)
from order_api.kit.query_parameters import HyphenatedName
from order_api.rulesets.filters import RulesetText
from order_api.rulesets.service import Rulesets, RulesetService
from order_workbench.kit.rendering import render_page
from order_workbench.kit.routing import page_router, redirect
from order_workbench.rules.forms import ApprovalForm, DiscardForm, DraftForm, PublicationForm

router = page_router(reader(Scope.RULESETS))

PAGE: Final = "/workbench/rules/draft"
_REVIEWER: Final = [reviewer(Scope.RULESETS)]
_ADMINISTRATOR: Final = [administrator(Scope.RULESETS)]

DraftName = Annotated[HyphenatedName, Query(alias="name")]


@dataclass(frozen=True, slots=True)
class EditedDraft:
    """A draft on the page: the text in the editor, and what is saved under its name, None when nothing is."""

    name: str
    content: str
    saved: dict[str, Any] | None
    message: str = ""

    def is_by(self, author: str) -> bool:
        """Whether the person who looks at it has changed it, and so cannot approve it."""
        return self.saved is not None and author in self.saved["authors"]


@router.get("/rules/draft")
async def show_draft(request: Request, rulesets: Rulesets, name: DraftName) -> Response:
    """The editor; a draft that is not saved yet begins with the active rules."""
    saved = await _find(request, rulesets, name)
    content = saved["content"] if saved else await _active_content(request, rulesets)
    return await _page(request, rulesets, EditedDraft(name, content, saved, (saved or {}).get("message") or ""))


@router.post("/rules/draft", dependencies=_REVIEWER)
async def save_draft(request: Request, rulesets: Rulesets, wanted: Annotated[DraftForm, Form()]) -> Response:
    """Save the text, or show it again with what is wrong."""
    try:
        await rulesets.save(request, wanted.name, wanted.wanted())
    except (RulesetRefused, DraftRefused) as refused:
        return await _again(request, rulesets, wanted, refused)
    return redirect(request, f"{PAGE}?name={wanted.name}")


@router.post("/rules/draft/check")
async def check_draft(request: Request, rulesets: Rulesets, wanted: Annotated[DraftForm, Form()]) -> Response:
    """What is wrong with the text, for a browser without scripts."""
    return await _again(request, rulesets, wanted)


@router.post("/rules/diagnostics")
async def diagnose(rulesets: Rulesets, wanted: RulesetText) -> Response:
    """What is wrong with the text, and the names that it may use, for the editor."""
    return JSONResponse(await rulesets.diagnose(wanted), headers={"Cache-Control": "no-store"})


@router.get("/rules/schema")
async def show_schema() -> Response:
    """The JSON Schema of rule files, by which the editor completes keys and values."""
    return JSONResponse(ruleset_schema(), headers={"Cache-Control": "private, max-age=3600"})


@router.post("/rules/draft/approve", dependencies=_REVIEWER)
async def approve_draft(request: Request, rulesets: Rulesets, wanted: Annotated[ApprovalForm, Form()]) -> Response:
    """Approve the version that was looked at."""
    await rulesets.approve(request, wanted.name, wanted.wanted())
    return redirect(request, f"{PAGE}?name={wanted.name}")


@router.post("/rules/draft/discard", dependencies=_REVIEWER)
async def discard_draft(request: Request, rulesets: Rulesets, wanted: Annotated[DiscardForm, Form()]) -> Response:
    """Delete the draft; versions that were published from it stay."""
    await rulesets.discard(request, wanted.name)
    return redirect(request, "/workbench/rules")


@router.post("/rules/draft/publish", dependencies=_ADMINISTRATOR)
async def publish_draft(request: Request, rulesets: Rulesets, wanted: Annotated[PublicationForm, Form()]) -> Response:
    """Check and publish the version that was looked at; when many outcomes change, ask first."""
    try:
        await rulesets.publish(request, wanted.name, wanted.wanted_publication())
    except (ConfirmationNeeded, PublicationRefused, DraftRefused) as refused:
        saved = await rulesets.draft(request, wanted.name)
        edited = EditedDraft(wanted.name, saved["content"], saved, saved["message"] or "")
        return await _page(request, rulesets, edited, refused, wanted)
    return redirect(request, "/workbench/rules")


async def _find(request: Request, rulesets: RulesetService, name: str) -> dict[str, Any] | None:
    try:
        return await rulesets.draft(request, name)
    except DraftUnknown:
        return None


async def _active_content(request: Request, rulesets: RulesetService) -> str:
    try:
        content: str = (await rulesets.rules(request))["content"]
    except NoActiveRuleset:
        content = load_ruleset().content
    return content


async def _again(
    request: Request, rulesets: RulesetService, wanted: DraftForm, refused: Problem | None = None
) -> Response:
    saved = await _find(request, rulesets, wanted.name)
    return await _page(
        request, rulesets, EditedDraft(wanted.name, wanted.content, saved, wanted.message or ""), refused
    )


async def _page(
    request: Request,
    rulesets: RulesetService,
    edited: EditedDraft,
    refused: Problem | None = None,
    publication: PublicationForm | None = None,
) -> Response:
    return render_page(
        request,
        "rules/draft.html",
        200 if refused is None else refused.status,
        edited=edited,
        is_author=edited.is_by(principal_of(request).author),
        found=await rulesets.diagnose(RulesetText(content=edited.content)),
        refused=refused,
        check=refused.members.get("check") if isinstance(refused, ConfirmationNeeded) else None,
        publication=publication,
    )
