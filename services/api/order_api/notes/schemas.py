"""Responses about notes."""

from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from order_platform.postgres.notes import NoteSubject

_NOTE: Final[dict[str, Any]] = {
    "id": 17,
    "subject_kind": "user",
    "subject_id": "U-1042",
    "author": "dina (4be1f6a09c77)",
    "written_at": "2026-11-22T03:15:00.014512Z",
    "text": "called, is abroad",
}


class WrittenNote(BaseModel):
    """A note."""

    model_config = ConfigDict(json_schema_extra={"examples": [_NOTE]})

    id: Annotated[int, Field(description="larger for later ones")]
    subject_kind: NoteSubject
    subject_id: str
    author: Annotated[str, Field(description="the key's name and id")]
    written_at: AwareDatetime
    text: str


class NotePage(BaseModel):
    """A page of notes, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_NOTE], "next": None}]})

    items: list[WrittenNote]
    next: Annotated[str | None, Field(description="`cursor` for the page after this; null when it is the last")]
