"""Query parameters of notes, and the body of a new one."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from order_api.kit.pagination import CursorText
from order_api.kit.query_parameters import Limit, QueryParam, Text
from order_platform.postgres.notes import MAX_NOTE_LENGTH, NoteSubject

_SubjectKind = Annotated[NoteSubject, Field(description="what the notes are about")]
_SubjectId = Annotated[Text, Field(description="the order's id, the user's id, the IP address ..")]


class NoteParameters(BaseModel):
    """Which notes."""

    model_config = ConfigDict(extra="forbid")

    subject_kind: _SubjectKind
    subject_id: _SubjectId
    limit: Annotated[Limit, Field(description="notes on a page")] = 50
    cursor: Annotated[QueryParam[CursorText], Field(description="`next` of the page before")] = None


class NewNote(BaseModel):
    """A note to add."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"subject_kind": "user", "subject_id": "U-1042", "text": "called, is abroad"}]},
    )

    subject_kind: _SubjectKind
    subject_id: _SubjectId
    text: Annotated[str, StringConstraints(min_length=1, max_length=MAX_NOTE_LENGTH, pattern=r"^[^\x00]+$")]
