"""Query parameters and request bodies of saved searches."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_QUERY_LENGTH: Final = 2_000

_PRINTABLE: Final = r"^[^\x00-\x1f\x7f-\x9f]+$"
SearchName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=_PRINTABLE)]


class NamedSearch(BaseModel):
    """Which of your searches."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[SearchName, Field(description="of the search")]


class SearchToSave(BaseModel):
    """A search to save under a name."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "foreign, large", "query": "country=SG&min_amount=50000000"}]},
    )

    name: SearchName
    query: Annotated[
        Annotated[str, StringConstraints(max_length=MAX_QUERY_LENGTH, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")],
        Field(description="the query string of the listing, without `?`; it is kept as it is"),
    ]
    shared: Annotated[bool, Field(strict=True, description="whether everyone sees it")] = False
