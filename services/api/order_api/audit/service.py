"""Reading the audit log."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends

from order_api.kit.fair_turns import FairPool
from order_api.kit.registry import Provider


@dataclass(slots=True)
class AuditService:
    """The connections on which the audit log is listed."""

    listings: FairPool


Audit = Annotated[AuditService, Depends(Provider(AuditService))]
