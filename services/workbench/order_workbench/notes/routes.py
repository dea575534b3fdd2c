"""`/workbench/notes`: what people wrote about an order or entity, and writing more; other pages load it as a part."""

from typing import Annotated, Final

from fastapi import Form, Query, Request, Response

from order_api.auth.dependencies import reader, reviewer
from order_api.auth.keys import Scope
from order_api.notes.filters import NewNote, NoteParameters
from order_api.notes.service import Notes, NoteService
from order_platform.postgres.notes import NoteSubject
from order_workbench.kit.rendering import render_page
from order_workbench.kit.routing import page_router

router = page_router(reader(Scope.ORDERS))

MOST_SHOWN: Final = 50


@router.get("/notes")
async def show_notes(request: Request, notes: Notes, about: Annotated[NoteParameters, Query()]) -> Response:
    """The newest notes, and the form for another one."""
    return await _render(request, notes, about.subject_kind, about.subject_id)


@router.post("/notes", dependencies=[reviewer(Scope.ORDERS)])
async def add_note(request: Request, notes: Notes, given: Annotated[NewNote, Form()]) -> Response:
    """Add a note."""
    await notes.add(request, given.subject_kind, given.subject_id, given.text)
    return await _render(request, notes, given.subject_kind, given.subject_id)


async def _render(request: Request, notes: NoteService, subject_kind: NoteSubject, subject_id: str) -> Response:
    found = await notes.page(request, subject_kind, subject_id, None, MOST_SHOWN)
    return render_page(request, "notes/page.html", notes=found, subject_kind=subject_kind, subject_id=subject_id)
