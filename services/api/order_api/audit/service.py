"""Reading the audit log."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from order_api.audit.filters import AuditParameters
from order_api.auth.dependencies import principal_of
from order_api.kit.fair_turns import FairPool
from order_api.kit.pagination import cut_page, parse_id, read_cursor
from order_api.kit.registry import Provider
from order_platform.postgres.audit import AuditEntry, list_audit


@dataclass(slots=True)
class AuditService:
    """The audit log, on the connections for listings."""

    listings: FairPool

    async def list_page(self, request: Request, parameters: AuditParameters) -> tuple[Sequence[AuditEntry], str | None]:
        """A page of entries, newest first, and the cursor for the next one."""
        criteria = parameters.criteria()
        before_id = None if parameters.cursor is None else read_cursor(parameters.cursor, criteria, parse_id)
        # One more than asked for tells whether there is a next page.
        entries = await self.listings.run(
            request,
            principal_of(request).key_id,
            lambda database: list_audit(database, criteria, before_id, parameters.limit + 1),
        )
        return cut_page(entries, parameters.limit, criteria, lambda entry: (entry.id,))


Audit = Annotated[AuditService, Depends(Provider(AuditService))]
