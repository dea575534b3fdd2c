"""Path and query parameters of marts."""

from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from order_api.kit.pagination import CursorText
from order_api.kit.query_parameters import DIGITS_ONLY, QueryParam

MartName = Annotated[str, Path(pattern="^[a-z][a-z0-9_]{0,62}$", description="as in the list of marts")]


class MartParameters(BaseModel):
    """Parameters of a mart's pages."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[int, Field(ge=1, le=1000, description="rows of a page"), DIGITS_ONLY] = 100
    cursor: Annotated[QueryParam[CursorText], Field(description="`next` of the page before")] = None
