"""`/workbench/people`: people and keys, invitations, and the audit log."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Form, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import Field

from order_api.audit.filters import AuditParameters
from order_api.audit.service import Audit
from order_api.auth.dependencies import administrator, principal_of
from order_api.auth.keys import MAX_NAME_LENGTH, Role, Scope
from order_api.auth.people import sign_in_link
from order_api.http.problems.requests import NotPermitted
from order_api.key_management.service import Keys
from order_platform.postgres.audit import SubjectKind
from order_workbench.kit.forms import PageForm
from order_workbench.kit.paging import page_query
from order_workbench.kit.rendering import render_page
from order_workbench.kit.routing import page_router, redirect

router = page_router()


class InvitationForm(PageForm):
    """A person to invite."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH)]
    role: Role


class RevocationForm(PageForm):
    """A person or key whose access ends."""

    key_id: Annotated[str, Field(pattern="^[0-9a-f]{12}$")]


@router.get("/people", dependencies=[administrator(Scope.KEYS)])
async def show_people(request: Request, keys: Keys) -> Response:
    """People and keys, valid ones first."""
    return await _render(request, keys)


@router.post("/people/invite", dependencies=[administrator(Scope.KEYS)])
async def invite(request: Request, keys: Keys, given: Annotated[InvitationForm, Form()]) -> Response:
    """Show a link that signs a person in once; it is not shown again."""
    principal = principal_of(request)
    if principal.scopes is not None or principal.key_expires_at is not None:
        raise NotPermitted("people have no scopes and do not expire: a key that does cannot invite them")
    try:
        person, code = await keys.invite(given.name, given.role, principal)
    except ValueError as error:
        found = {"type": "value", "loc": ("body", "name"), "input": given.name, "msg": str(error)}
        raise RequestValidationError([found]) from None
    link = sign_in_link(str(request.base_url).rstrip("/"), code)
    return await _render(request, keys, invited=person, link=link)


@router.post("/people/revoke", dependencies=[administrator(Scope.KEYS)])
async def revoke(request: Request, keys: Keys, given: Annotated[RevocationForm, Form()]) -> Response:
    """End the access of a person or key."""
    await keys.revoke(given.key_id, principal_of(request))
    return redirect(request, "/workbench/people")


@router.get("/audit", dependencies=[administrator(Scope.AUDIT)])
async def show_audit(request: Request, audit: Audit, parameters: Annotated[AuditParameters, Query()]) -> Response:
    """Who changed what, newest first."""
    entries, cursor = await audit.list_page(request, parameters)
    return render_page(
        request,
        "people/audit.html",
        entries=entries,
        parameters=parameters,
        kinds=list(SubjectKind),
        next_page=cursor and page_query(request, cursor=cursor),
    )


async def _render(request: Request, keys: Keys, **values: Any) -> Response:
    now = datetime.now(UTC)
    found = await keys.list_keys()
    return render_page(
        request,
        "people/page.html",
        people=[each for each in found if each.kind == "person"],
        keys=[each for each in found if each.kind == "key"],
        roles=list(Role),
        now=now,
        **{"invited": None, "link": None, **values},
    )
