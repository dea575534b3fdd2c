"""Reading and adding notes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request

from order_api.auth.dependencies import principal_of
from order_api.auth.personal_data import PersonalDataPolicy
from order_api.http.problems.requests import NotPermitted
from order_api.kit.database import Database
from order_api.kit.fair_turns import FairPool
from order_api.kit.pagination import cut_page, parse_id, read_cursor
from order_api.kit.query_parameters import canonical_id
from order_api.kit.registry import Provider
from order_platform.postgres.notes import Note, NoteSubject, add_note, list_notes

_PERSONAL: Final = frozenset({NoteSubject.DEVICE, NoteSubject.ADDRESS})


@dataclass(frozen=True, slots=True)
class NoteService:
    """Notes, on the connections for listings."""

    listings: FairPool
    personal_data: PersonalDataPolicy

    async def list_page(
        self, request: Request, subject_kind: NoteSubject, subject_id: str, cursor: str | None, limit: int
    ) -> tuple[Sequence[Note], str | None]:
        """A page of notes about a subject, newest first, and the cursor for the next one.

        Raises NotPermitted, CursorUnknown.
        """
        principal = principal_of(request)
        subject_id = canonical_id(subject_kind, subject_id)
        listing = ["notes", subject_kind, subject_id]
        before_id = None if cursor is None else read_cursor(cursor, listing, parse_id)
        if subject_kind in _PERSONAL and self.personal_data.masks(principal):
            raise NotPermitted(f"notes of a {subject_kind} would confirm it, and it is masked for your key")
        found = await self.listings.run(
            request,
            principal.key_id,
            lambda database: list_notes(database, subject_kind, subject_id, before_id, limit + 1),
        )
        return cut_page(found, limit, listing, lambda note: (note.id,))

    async def add(self, request: Request, subject_kind: NoteSubject, subject_id: str, text: str) -> Note:
        """Add a note, under the name of the request's key."""
        subject_id = canonical_id(subject_kind, subject_id)
        principal = principal_of(request)

        async def add(database: Database) -> Note:
            async with database.connection() as connection, connection.transaction():
                return await add_note(connection, subject_kind, subject_id, author=principal.author, text=text)

        return await self.listings.run(request, principal.key_id, add)


Notes = Annotated[NoteService, Depends(Provider(NoteService))]
