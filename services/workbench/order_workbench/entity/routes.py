"""`/workbench/entity`: everything about one user, device, address, voucher or product, and its lists."""

from collections.abc import Sequence
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import Form, Query, Request, Response

from order_api.auth.dependencies import principal_of, reader, reviewer
from order_api.auth.keys import Role, Scope
from order_api.entities.filters import FIELDS
from order_api.entities.service import Entities
from order_api.lists.service import Lists, ListService
from order_lists.model import SNOOZE_FIELDS, SNOOZE_KIND, OrderListSummary
from order_workbench.entity.filters import EntityPage, ListForm, SnoozeForm, UnlistForm
from order_workbench.kit.documents import plain
from order_workbench.kit.entities import TITLES
from order_workbench.kit.forms import end_of
from order_workbench.kit.order_columns import columns_of
from order_workbench.kit.rendering import render_page
from order_workbench.kit.routing import page_router, redirect

router = page_router(reader(Scope.ORDERS))

MOST_LISTS: Final = 500
_COLUMNS: Final = ("created_date", "order_id", "outcome", "risk_score", "amount", "user_id", "payment_method",
                   "country", "label", "rules")  # fmt: skip


@router.get("/entity")
async def show_entity(
    request: Request, entities: Entities, lists: Lists, wanted: Annotated[EntityPage, Query()]
) -> Response:
    """The page of an entity."""
    entity = plain(await entities.find(request, wanted.kind, wanted.id))
    principal = principal_of(request)
    may_list = principal.role.includes(Role.REVIEW) and principal.has_scope(Scope.LISTS)
    field = FIELDS[wanted.kind]
    return render_page(
        request,
        "entity/page.html",
        entity=entity,
        titles=TITLES,
        field=field,
        columns=columns_of(_COLUMNS),
        may_list=may_list,
        may_snooze=may_list and field in SNOOZE_FIELDS.values(),
        lists_of_field=await _lists_of(request, lists, field) if may_list else (),
        snooze_kind=SNOOZE_KIND,
    )


@router.post("/entity/list", dependencies=[reviewer(Scope.LISTS)])
async def add_to_list(request: Request, lists: Lists, given: Annotated[ListForm, Form()]) -> Response:
    """Add the entity to a list."""
    await lists.change(request, given.list, reason=given.reason, add=[given.id], expires_at=end_of(given.days))
    return _redirect(request, given)


@router.post("/entity/unlist", dependencies=[reviewer(Scope.LISTS)])
async def remove_from_list(request: Request, lists: Lists, given: Annotated[UnlistForm, Form()]) -> Response:
    """Remove the entity from a list, or from the snoozes of a rule."""
    await lists.change(request, given.list, reason=given.reason, remove=[given.id])
    return _redirect(request, given)


@router.post("/entity/snooze", dependencies=[reviewer(Scope.LISTS)])
async def snooze_rule(request: Request, lists: Lists, given: Annotated[SnoozeForm, Form()]) -> Response:
    """Let a rule not count for the entity."""
    await lists.snooze(request, given.snooze())
    return _redirect(request, given)


async def _lists_of(request: Request, lists: ListService, field: str) -> Sequence[OrderListSummary]:
    """The lists that values of a field can be added to; snoozes are made in another way."""
    found = await lists.summaries(request, kind=None, after=None, count=MOST_LISTS)
    return [each for each in found if each.field == field and each.kind != SNOOZE_KIND]


def _redirect(request: Request, entity: EntityPage) -> Response:
    query = urlencode({"kind": entity.kind, "id": entity.id})
    return redirect(request, f"/workbench/entity?{query}#lists")
