"""Responses about the audit log."""

from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from order_platform.postgres.audit import SubjectKind

_ENTRY: Final[dict[str, Any]] = {
    "id": 4711,
    "at": "2026-11-22T03:15:00.014512Z",
    "actor": "fraud team (3f9c0a7be412)",
    "action": "add",
    "subject_kind": "list",
    "subject_id": "blocked_devices",
    "reason": "three chargebacks in a week",
    "before": None,
    "after": {"values": ["d-77aa"], "expires_at": None},
}


class AuditedChange(BaseModel):
    """A change that was made."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ENTRY]})

    id: Annotated[int, Field(description="larger for later entries")]
    at: AwareDatetime
    actor: Annotated[str, Field(description="a key's name and id, or user and machine of a command")]
    action: str
    subject_kind: SubjectKind
    subject_id: str
    reason: str | None
    before: Annotated[dict[str, Any] | None, Field(description="what it was; null when it did not exist")]
    after: Annotated[dict[str, Any] | None, Field(description="what it is; null when it does not exist any more")]


class AuditPage(BaseModel):
    """A page of the audit log, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_ENTRY], "next": None}]})

    items: list[AuditedChange]
    next: Annotated[str | None, Field(description="`cursor` for the page after this; null when it is the last")]
