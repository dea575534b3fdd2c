"""Responses about marts."""

from datetime import date
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

MART: Final[dict[str, Any]] = {
    "name": "mart_user_blacklist_status",
    "description": "Users and whether they are on the blacklist. Grain: one row per user who has ordered.",
    "columns": [
        {"name": "user_id", "type": "string", "description": "Key."},
        {"name": "total_orders", "type": "integer", "description": "Number of orders."},
        {"name": "status", "type": "string", "description": "Blacklist, Watchlist or Good Standing."},
    ],
    "filters": ["user_id"],
    "rows": 1284,
    "complete": True,
    "data_up_to": "2026-11-22",
    "published_at": "2026-11-22T17:42:10.120331Z",
}
_ROW: Final[dict[str, Any]] = {"user_id": "U-1042", "total_orders": 17, "status": "Watchlist"}


class MartColumn(BaseModel):
    """A column; amounts are whole rupiah, and every value may be null unless the description rules it out.

    Integers have up to 64 bits. A client whose numbers are doubles asks for them with `integers=string`.
    """

    name: str
    type: Annotated[
        str, Field(description="string, integer, number, boolean, date or date-time, as JSON Schema has it")
    ]
    description: str


class Mart(BaseModel):
    """A mart: what a row means, and its columns."""

    model_config = ConfigDict(json_schema_extra={"examples": [MART]})

    name: str
    description: str
    columns: list[MartColumn]
    filters: Annotated[list[str], Field(description="the columns that its rows can be looked up by")]
    rows: Annotated[int, Field(ge=0, description="as many as are published")]
    complete: Annotated[
        bool, Field(description="false for a mart so long that only the first rows of its order are published")
    ]
    data_up_to: Annotated[
        date | None,
        Field(description="the newest business date (in Asia/Jakarta) whose orders are in it; null when none are"),
    ]
    published_at: Annotated[
        AwareDatetime, Field(description="when it was last published, whether or not a row had changed")
    ]


class MartList(BaseModel):
    """All marts; none before the first batch run."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [MART]}]})

    items: list[Mart]


class BatchDate(BaseModel):
    """A business date that is over and has orders."""

    business_date: Annotated[date, Field(description="in Asia/Jakarta")]
    published_orders: Annotated[
        int | None, Field(ge=0, description="orders that the marts are made from; null while none are")
    ]


class BatchDateList(BaseModel):
    """Dates, newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [{"business_date": "2026-11-22", "published_orders": 29_871}]}]}
    )

    items: list[BatchDate]


class MartPage(BaseModel):
    """Rows of a mart in its order, and what they mean."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"mart": MART, "items": [_ROW], "next": None}]})

    mart: Mart
    items: Annotated[list[dict[str, Any]], Field(description="a member for each column of `mart`")]
    next: Annotated[str | None, Field(description="`cursor` for the next page; null on the last one")]
