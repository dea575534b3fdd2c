"""`/v1/notes`."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from order_api.auth.dependencies import reader, reviewer
from order_api.auth.keys import Scope
from order_api.http.json_response import json_response
from order_api.http.problems.openapi import responses
from order_api.kit.pagination import LINK_HEADER, link_headers
from order_api.kit.query_parameters import reject_repeated
from order_api.kit.routing import CredentialsFirstRoute
from order_api.notes.filters import NewNote, NoteParameters
from order_api.notes.schemas import NotePage, WrittenNote
from order_api.notes.service import Notes

router = APIRouter(prefix="/v1", route_class=CredentialsFirstRoute, tags=["notes"])


@router.get(
    "/notes",
    operation_id="list_notes",
    response_model=NotePage,
    responses={200: LINK_HEADER, **responses(401, 403, 404, 422, 429, 503)},
    dependencies=[reader(Scope.ORDERS)],
)
async def get_notes(request: Request, notes: Notes, parameters: Annotated[NoteParameters, Query()]) -> Response:
    """What people wrote about an order, user, device, IP address, voucher or product, newest first."""
    reject_repeated(request)
    items, cursor = await notes.list_page(
        request, parameters.subject_kind, parameters.subject_id, parameters.cursor, parameters.limit
    )
    page = {"items": [asdict(note) for note in items], "next": cursor}
    return json_response(page, headers=link_headers(request, cursor))


@router.post(
    "/notes",
    operation_id="add_note",
    status_code=201,
    response_model=WrittenNote,
    responses={201: {"description": "The note is added"}, **responses(401, 403, 413, 415, 422, 429, 503)},
    dependencies=[reviewer(Scope.ORDERS)],
)
async def add_note(request: Request, notes: Notes, wanted: NewNote) -> Response:
    """Add a note, under the name of your key. Notes are not changed: a correction is a new one."""
    return json_response(asdict(await notes.add(request, wanted.subject_kind, wanted.subject_id, wanted.text)), 201)
