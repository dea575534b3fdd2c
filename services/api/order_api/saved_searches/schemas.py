"""Responses about saved searches."""

from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

_SEARCH: Final[dict[str, Any]] = {
    "name": "foreign, large",
    "query": "country=SG&min_amount=50000000",
    "shared": True,
    "saved_by": "dina (4be1f6a09c77)",
    "saved_at": "2026-11-22T03:15:00.014512Z",
    "is_mine": True,
}


class KeptSearch(BaseModel):
    """A saved search."""

    model_config = ConfigDict(json_schema_extra={"examples": [_SEARCH]})

    name: Annotated[str, Field(description="unique among those of one key")]
    query: str
    shared: bool
    saved_by: Annotated[str, Field(description="the key's name and id")]
    saved_at: AwareDatetime
    is_mine: Annotated[bool, Field(description="whether you can change and delete it")]


class KeptSearches(BaseModel):
    """Your searches and those that others share."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_SEARCH]}]})

    items: Annotated[list[KeptSearch], Field(description="yours first, then by name; at most 500")]
