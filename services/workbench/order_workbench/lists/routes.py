"""`/workbench/lists`: lists, their entries, and changes of them."""

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Form, Query, Request, Response
from pydantic import Field

from order_api.auth.dependencies import reader, reviewer
from order_api.auth.keys import Scope
from order_api.lists.filters import MOST_VALUES, AnyKind, EntryCursor, Reason
from order_api.lists.service import Lists
from order_workbench.kit.forms import Days, PageForm, end_of
from order_workbench.kit.paging import page_query
from order_workbench.kit.rendering import render_page
from order_workbench.kit.routing import page_router, redirect

router = page_router()

_MOST_LISTS = 200
_ON_A_PAGE = 100
ListName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_:-]{1,200}$")]


class EntriesView(PageForm):
    """A page of a list's entries."""

    name: ListName
    value: Annotated[str, Field(max_length=320)] | None = None
    cursor: EntryCursor | None = None
    limit: Annotated[int, Field(ge=1, le=_ON_A_PAGE)] = _ON_A_PAGE


class AddForm(PageForm):
    """Values to add, one per line."""

    name: ListName
    values: Annotated[str, Field(max_length=60_000)]
    reason: Reason
    days: Days | None = None

    def lines(self) -> list[str]:
        """The values."""
        return [line.strip() for line in self.values.splitlines() if line.strip()][: MOST_VALUES + 1]


class RemoveForm(PageForm):
    """A value to remove."""

    name: ListName
    value: Annotated[str, Field(min_length=1, max_length=320)]
    reason: Reason


@router.get("/lists", dependencies=[reader(Scope.LISTS)])
async def show_lists(request: Request, lists: Lists, kind: Annotated[AnyKind | None, Query()] = None) -> Response:
    """All lists, and the snoozes of rules."""
    found = await lists.summaries(request, kind=kind, after=None, count=_MOST_LISTS)
    return render_page(request, "lists/page.html", lists=found, kind=kind, kinds=list(AnyKind))


@router.get("/list", dependencies=[reader(Scope.LISTS)])
async def show_list(request: Request, lists: Lists, view: Annotated[EntriesView, Query()]) -> Response:
    """The entries of a list, in the order of their values."""
    spec, entries, cursor = await lists.entries(request, view.name, view.value, view.cursor, view.limit)
    return render_page(
        request,
        "lists/entries.html",
        spec=spec,
        view=view,
        entries=entries,
        next_page=cursor and page_query(request, cursor=cursor),
    )


@router.get("/list/history", dependencies=[reader(Scope.LISTS)])
async def show_history(request: Request, lists: Lists, view: Annotated[EntriesView, Query()]) -> Response:
    """All entries that a list has or had, those of the latest changes first."""
    spec, entries, cursor = await lists.history(request, view.name, view.value, view.cursor, view.limit)
    return render_page(
        request,
        "lists/history.html",
        spec=spec,
        view=view,
        entries=entries,
        now=datetime.now(UTC),
        next_page=cursor and page_query(request, cursor=cursor),
    )


@router.post("/list/add", dependencies=[reviewer(Scope.LISTS)])
async def add(request: Request, lists: Lists, given: Annotated[AddForm, Form()]) -> Response:
    """Add values, as one change."""
    await lists.change(request, given.name, add=given.lines(), expires_at=end_of(given.days), reason=given.reason)
    return redirect(request, f"/workbench/list?{urlencode({'name': given.name})}")


@router.post("/list/remove", dependencies=[reviewer(Scope.LISTS)])
async def remove(request: Request, lists: Lists, given: Annotated[RemoveForm, Form()]) -> Response:
    """Remove a value; its history stays."""
    await lists.change(request, given.name, remove=[given.value], reason=given.reason)
    return redirect(request, f"/workbench/list?{urlencode({'name': given.name})}")
