"""Query parameters of `/v1/stats`."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from order_api.kit.query_parameters import (
    Contradiction,
    QueryParam,
    TimeBound,
    contradiction_error,
    reject_contradictions,
)


class WindowParameters(BaseModel):
    """Parameters of `/v1/stats`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: Annotated[
        QueryParam[TimeBound],
        Field(alias="from", description="created at or after this; by default 24 hours before `to`"),
    ] = None
    end: Annotated[QueryParam[TimeBound], Field(alias="to", description="created before this; by default now")] = None


def reject_empty_window(window: WindowParameters) -> None:
    """Raises RequestValidationError for a window that holds no moment."""
    reject_contradictions(window)
    if window.start is not None and window.end is None and window.start >= (now := datetime.now(UTC)):
        message = f"is not before now ({now:%Y-%m-%dT%H:%M:%SZ}), and `to` is now by default; write an earlier time"
        raise contradiction_error([Contradiction("from", window.start.isoformat(), message)])
