"""Marts for a principal: their descriptions, and pages of rows of one publication."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError

from order_api.auth.credential_cache import Principal
from order_api.auth.personal_data import MART_COLUMNS, PersonalDataPolicy, mask_row, reject_personal_filters
from order_api.http.problems.availability import MartBeingPublished
from order_api.http.problems.resources import MartUnknown
from order_api.kit.database import Database
from order_api.kit.fair_turns import FairPool
from order_api.kit.pagination import cut_page, read_cursor
from order_api.kit.registry import Provider
from order_api.marts.filters import MartParameters
from order_api.marts.repository import (
    BatchDate,
    PublishedMart,
    read_batch_dates,
    read_marts,
    read_publication,
    read_rows,
)
from order_contract.business_time import business_date

DATES: Final = 14
# A mart is published once a day, all at once.
_ATTEMPTS: Final = 3
_MAX_POSITION: Final = (1 << 63) - 1  # positions are Postgres' bigints
# Postgres' types, by their names in JSON Schema.
_TYPES: Final = {
    "text": "string",
    "bigint": "integer", "integer": "integer", "smallint": "integer",
    "numeric": "number", "double precision": "number", "real": "number",
    "boolean": "boolean", "date": "date", "timestamp with time zone": "date-time",
    "timestamp without time zone": "date-time",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class MartService:
    """Lists marts, and reads their rows."""

    listings: FairPool
    personal_data: PersonalDataPolicy

    async def list_marts(self, request: Request, principal: Principal) -> list[dict[str, object]]:
        """All marts as they are sent."""
        return [describe_mart(mart) for mart in await self.listings.run(request, principal.key_id, read_marts)]

    async def list_dates(self, request: Request, principal: Principal) -> list[BatchDate]:
        """The last DATES business dates that are over, of those that have orders: newest first."""
        last = business_date(datetime.now(UTC)) - timedelta(days=1)
        first = last - timedelta(days=DATES - 1)
        return await self.listings.run(
            request, principal.key_id, lambda database: read_batch_dates(database, first, last)
        )

    async def read_page(
        self, request: Request, principal: Principal, name: str, parameters: MartParameters
    ) -> tuple[dict[str, object], str | None]:
        """A page of a mart as it is sent, and the cursor for the next one."""
        masks = self.personal_data.masks(principal)
        if masks:
            reject_personal_filters(parameters.filters(), MART_COLUMNS)
        mart, found = await self.listings.run(
            request, principal.key_id, lambda database: _read(database, name, parameters)
        )
        page, cursor = cut_page(found, parameters.limit, _listing(mart, parameters), lambda row: (row[0],))
        rows = [mask_row(row) if masks else row for _, row in page]
        return {"mart": describe_mart(mart), "items": rows, "next": cursor}, cursor


Marts = Annotated[MartService, Depends(Provider(MartService))]


def describe_mart(mart: PublishedMart) -> dict[str, object]:
    """A mart as it is sent."""
    return {
        "name": mart.name,
        "description": mart.description,
        "columns": [
            {"name": column.name, "type": _TYPES.get(column.type, "string"), "description": column.description}
            for column in mart.columns
        ],
        "filters": mart.filters,
        "rows": mart.rows,
        "complete": mart.complete,
        "data_up_to": mart.data_up_to,
        "published_at": mart.published_at,
    }


async def _read(
    database: Database, name: str, parameters: MartParameters
) -> tuple[PublishedMart, list[tuple[int, dict[str, object]]]]:
    """A mart and the rows of a page with their positions, of one publication; one more when there is a next page."""
    for _ in range(_ATTEMPTS):
        mart = next((mart for mart in await read_marts(database) if mart.name == name), None)
        if mart is None:
            raise MartUnknown(name)
        filters = parameters.filters()
        _reject_unknown(filters, mart)
        # Of another publication a cursor is unknown: the pages would not fit together.
        listing = _listing(mart, parameters)
        after = 0 if parameters.cursor is None else read_cursor(parameters.cursor, listing, _position)
        as_text = parameters.integers == "string"
        rows = await read_rows(database, mart, filters, after, parameters.limit + 1, integers_as_text=as_text)
        # Publishing replaces the table: a snapshot taken before it would show the new one empty.
        if await read_publication(database, name) == mart.publication:
            return mart, rows
    raise MartBeingPublished(name)


def _listing(mart: PublishedMart, parameters: MartParameters) -> object:
    """What the pages are of: one publication, and the rows that the filters leave."""
    return [str(mart.publication), parameters.filters()]


def _reject_unknown(filters: Mapping[str, str], mart: PublishedMart) -> None:
    """Raises RequestValidationError, which names the filters that the mart has."""
    known = f"filter it by {' and '.join(mart.filters)}" if mart.filters else "it has none"
    errors = [
        {
            "type": "unknown-filter",
            "loc": ("query", name),
            "input": value,
            "msg": f"is not a filter of {mart.name}: {known}",
        }
        for name, value in filters.items()
        if name not in mart.filters
    ]
    if errors:
        raise RequestValidationError(errors)


def _position(value: object) -> int:
    """The position in a cursor, which can be forged."""
    if type(value) is not int or not 0 <= value <= _MAX_POSITION:
        raise ValueError("is not the position of a row")
    return value
