"""`/v1/lists` and `/v1/snoozes`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from order_api.auth.dependencies import reader, reviewer
from order_api.auth.keys import Scope
from order_api.http.json_response import json_response
from order_api.http.problems.openapi import responses
from order_api.kit.pagination import LINK_HEADER, cut_page, link_headers, read_cursor
from order_api.kit.query_parameters import reject_repeated
from order_api.kit.routing import CredentialsFirstRoute
from order_api.lists.filters import (
    EndedSnooze,
    EntryParameters,
    HistoryParameters,
    ListName,
    ListParameters,
    NewEntries,
    NewList,
    NewSnooze,
    RemovedEntries,
)
from order_api.lists.schemas import ListChanged, ListEntryPage, ListPage, ListSpecification
from order_api.lists.service import Lists, parse_value
from order_lists.model import ChangeResult, ListEntry, ListSpec

router = APIRouter(prefix="/v1", route_class=CredentialsFirstRoute, tags=["lists"])

_READER: Final = [reader(Scope.LISTS)]
_REVIEWER: Final = [reviewer(Scope.LISTS)]
_PAGE: Final[dict[int | str, dict[str, Any]]] = {200: LINK_HEADER, **responses(401, 403, 404, 422, 429, 503)}
_CHANGED: Final = responses(401, 403, 404, 413, 415, 422, 429, 503)


@router.get("/lists", operation_id="list_lists", response_model=ListPage, responses=_PAGE, dependencies=_READER)
async def list_lists(request: Request, lists: Lists, parameters: Annotated[ListParameters, Query()]) -> Response:
    """Lists with their sizes, in the order of their names."""
    reject_repeated(request)
    listing = ["lists", parameters.kind]
    after = None if parameters.cursor is None else read_cursor(parameters.cursor, listing, parse_value)
    found = await lists.summaries(request, kind=parameters.kind, after=after, count=parameters.limit + 1)
    items, cursor = cut_page(found, parameters.limit, listing, lambda summary: (summary.name,))
    page = {"items": [asdict(each) for each in items], "next": cursor}
    return json_response(page, headers=link_headers(request, cursor))


@router.post(
    "/lists",
    operation_id="create_list",
    status_code=201,
    response_model=ListSpecification,
    responses={201: {"description": "The list exists"}, **responses(401, 403, 409, 413, 415, 422, 429, 503)},
    dependencies=_REVIEWER,
)
async def create_list(request: Request, lists: Lists, wanted: NewList) -> Response:
    """Create a list, for rules of rulesets that declare it. The same again changes nothing.

    Detectors create the lists that their ruleset declares by themselves.
    """
    spec, _ = await lists.create(request, wanted.name, wanted.kind, wanted.field)
    return json_response(spec._asdict(), 201)


@router.get(
    "/lists/{name}/entries",
    operation_id="list_list_entries",
    response_model=ListEntryPage,
    responses=_PAGE,
    dependencies=_READER,
)
async def list_entries(
    request: Request, lists: Lists, name: ListName, parameters: Annotated[EntryParameters, Query()]
) -> Response:
    """Entries of a list, in the order of their values: now, or `at` a past moment."""
    reject_repeated(request)
    found = await lists.entries(request, name, parameters.value, parameters.cursor, parameters.limit, at=parameters.at)
    return _page(request, *found)


@router.get(
    "/lists/{name}/history",
    operation_id="list_list_history",
    response_model=ListEntryPage,
    responses=_PAGE,
    dependencies=_READER,
)
async def list_history(
    request: Request, lists: Lists, name: ListName, parameters: Annotated[HistoryParameters, Query()]
) -> Response:
    """All entries that a list has or had, those of the latest changes first: who added and removed them, and why."""
    reject_repeated(request)
    found = await lists.history(request, name, parameters.value, parameters.cursor, parameters.limit)
    return _page(request, *found)


@router.post(
    "/lists/{name}/entries",
    operation_id="add_list_entries",
    response_model=ListChanged,
    responses=_CHANGED,
    dependencies=_REVIEWER,
)
async def add_entries(request: Request, lists: Lists, name: ListName, wanted: NewEntries) -> Response:
    """Add up to 500 values to a list, as one change. A value that is in it already gets the new expiry."""
    result = await lists.change(request, name, add=wanted.values, expires_at=wanted.expires_at, reason=wanted.reason)
    return _changed(result)


@router.post(
    "/lists/{name}/entries/remove",
    operation_id="remove_list_entries",
    response_model=ListChanged,
    responses=_CHANGED,
    dependencies=_REVIEWER,
)
async def remove_entries(request: Request, lists: Lists, name: ListName, wanted: RemovedEntries) -> Response:
    """Remove up to 500 values from a list, as one change. Their history stays."""
    return _changed(await lists.change(request, name, remove=wanted.values, reason=wanted.reason))


@router.post(
    "/snoozes", operation_id="snooze_rule", response_model=ListChanged, responses=_CHANGED, dependencies=_REVIEWER
)
async def snooze(request: Request, lists: Lists, wanted: NewSnooze) -> Response:
    """Let a rule not count for one user, device or address for some days; its hits are stored as snoozed."""
    return _changed(await lists.snooze(request, wanted))


@router.post(
    "/snoozes/end", operation_id="end_snooze", response_model=ListChanged, responses=_CHANGED, dependencies=_REVIEWER
)
async def end(request: Request, lists: Lists, wanted: EndedSnooze) -> Response:
    """Let a rule count again before its snooze ends."""
    return _changed(await lists.end_snooze(request, wanted))


def _page(request: Request, spec: ListSpec, entries: Sequence[ListEntry], cursor: str | None) -> Response:
    page = {**spec._asdict(), "items": [asdict(each) for each in entries], "next": cursor}
    return json_response(page, headers=link_headers(request, cursor))


def _changed(result: ChangeResult) -> Response:
    number, *counts = result
    return json_response(dict(zip(("change", "added", "removed", "unchanged"), (number, *counts), strict=True)))
