"""Path and query parameters of marts."""

from typing import Annotated, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from order_api.kit.pagination import CursorText
from order_api.kit.query_parameters import DIGITS_ONLY, Identifier, PaymentMethod, QueryParam, Text

MartName = Annotated[str, Path(pattern="^[a-z][a-z0-9_]{0,62}$", description="as in the list of marts")]


class MartParameters(BaseModel):
    """Parameters of a mart's pages; any other is a filter, by a column that the mart may have."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Text] = Field(init=False)

    user_id: Annotated[QueryParam[Identifier], Field(description="where `filters` of the mart has it")] = None
    product_id: Annotated[QueryParam[Identifier], Field(description="where `filters` of the mart has it")] = None
    payment_method: Annotated[
        QueryParam[PaymentMethod],
        Field(description="where `filters` of the mart has it; known ones in any case"),
    ] = None
    integers: Annotated[
        Literal["number", "string"],
        Field(
            description="`string` for clients whose numbers are doubles, such as JavaScript, which round integers "
            "beyond 2^53: every integer of a row is then a string of digits"
        ),
    ] = "number"
    limit: Annotated[int, Field(ge=1, le=1000, description="rows of a page"), DIGITS_ONLY] = 100
    cursor: Annotated[QueryParam[CursorText], Field(description="`next` of the page before")] = None

    def filters(self) -> dict[str, str]:
        """The values of the filters that the client asked for, by column."""
        given = self.model_dump(exclude={"integers", "limit", "cursor"}, exclude_none=True)
        return dict(sorted(given.items()))
