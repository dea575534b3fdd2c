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
from order_api.kit.registry import Provider
from order_platform.postgres.notes import Note, NoteSubject, add_note, list_notes

_PERSONAL: Final = frozenset({NoteSubject.DEVICE, NoteSubject.ADDRESS})


@dataclass(frozen=True, slots=True)
class NoteService:
    """Notes, on the connections for listings."""

    listings: FairPool
    personal_data: PersonalDataPolicy

    async def page(
        self, request: Request, subject_kind: NoteSubject, subject_id: str, before_id: int | None, count: int
    ) -> Sequence[Note]:
        """Up to `count` notes about a subject, newest first, before an id. Raises NotPermitted."""
        principal = principal_of(request)
        if subject_kind in _PERSONAL and self.personal_data.masks(principal):
            raise NotPermitted(f"notes of a {subject_kind} would confirm it, and it is masked for your key")
        return await self.listings.run(
            request,
            principal.key_id,
            lambda database: list_notes(database, subject_kind, subject_id, before_id, count),
        )

    async def add(self, request: Request, subject_kind: NoteSubject, subject_id: str, text: str) -> Note:
        """Add a note, under the name of the request's key."""
        principal = principal_of(request)

        async def add(database: Database) -> Note:
            async with database.connection() as connection, connection.transaction():
                return await add_note(connection, subject_kind, subject_id, author=principal.author, text=text)

        return await self.listings.run(request, principal.key_id, add)


Notes = Annotated[NoteService, Depends(Provider(NoteService))]
