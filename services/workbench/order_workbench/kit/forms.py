"""What the forms of all screens have in common."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class PageForm(BaseModel):
    """A form, or the parameters of a page, without unknown fields."""

    model_config = ConfigDict(extra="forbid")


Days = Annotated[int, Field(ge=1, le=3_650)]
"""How long an entry of a list lasts."""


def end_of(days: int | None) -> datetime | None:
    """When an entry that is made now ends; None for one that stays."""
    return None if days is None else datetime.now(UTC) + timedelta(days=days)
