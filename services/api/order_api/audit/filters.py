"""Query parameters of the audit log."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from order_api.kit.pagination import CursorText
from order_api.kit.query_parameters import Limit, QueryParam, Text, TimeBound
from order_platform.postgres.audit import AuditFilters, SubjectKind


class AuditParameters(BaseModel):
    """Filters of `/v1/audit`."""

    model_config = ConfigDict(extra="forbid")

    actor: Annotated[QueryParam[Text], Field(description="who made the change, as entries name it")] = None
    action: Annotated[
        QueryParam[Annotated[str, StringConstraints(pattern="^[a-z][a-z-]{0,49}$")]], Field(description="what was done")
    ] = None
    subject_kind: Annotated[QueryParam[SubjectKind], Field(description="what kind of thing was changed")] = None
    subject_id: Annotated[QueryParam[Text], Field(description="the list's name, the order's id, the version ..")] = None
    recorded_from: Annotated[QueryParam[TimeBound], Field(alias="from", description="recorded at or after this")] = None
    recorded_to: Annotated[QueryParam[TimeBound], Field(alias="to", description="recorded before this")] = None
    limit: Annotated[Limit, Field(description="entries on a page")] = 50
    cursor: Annotated[QueryParam[CursorText], Field(description="`next` of the page before")] = None

    def criteria(self) -> AuditFilters:
        """What to look for."""
        return AuditFilters(**self.model_dump(exclude={"limit", "cursor"}))
