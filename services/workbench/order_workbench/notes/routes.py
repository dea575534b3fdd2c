"""`/workbench/notes`: what people wrote about an order or entity, and writing more; other pages load it as a part."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Form, Query, Request, Response

from order_api.auth.dependencies import reader, reviewer
from order_api.auth.keys import Scope
from order_api.notes.filters import NewNote, NoteParameters
from order_api.notes.service import Notes, NoteService
from order_workbench.kit.rendering import render_page
from order_workbench.kit.routing import page_router

router = page_router(reader(Scope.ORDERS))


@router.get("/notes")
async def show_notes(request: Request, notes: Notes, about: Annotated[NoteParameters, Query()]) -> Response:
    """Notes, the newest first, and the form for another one."""
    return await _render(request, notes, about)


@router.post("/notes", dependencies=[reviewer(Scope.ORDERS)])
async def add_note(request: Request, notes: Notes, given: Annotated[NewNote, Form()]) -> Response:
    """Add a note."""
    await notes.add(request, given.subject_kind, given.subject_id, given.text)
    about = NoteParameters(subject_kind=given.subject_kind, subject_id=given.subject_id)
    return await _render(request, notes, about)


async def _render(request: Request, notes: NoteService, about: NoteParameters) -> Response:
    found, cursor = await notes.list_page(request, about.subject_kind, about.subject_id, about.cursor, about.limit)
    address = about.model_dump(mode="json", exclude={"cursor"}, exclude_defaults=True)
    return render_page(
        request,
        "notes/page.html",
        notes=found,
        about=about,
        newest=about.cursor and urlencode(address),
        next_page=cursor and urlencode({**address, "cursor": cursor}),
    )
