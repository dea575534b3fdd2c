"""Marts for a principal: their descriptions, and pages of rows of one publication."""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request

from order_api.auth.credential_cache import Principal
from order_api.auth.personal_data import PersonalDataPolicy, mask_row
from order_api.http.problems.availability import MartBeingPublished
from order_api.http.problems.resources import MartUnknown
from order_api.kit.database import Database
from order_api.kit.fair_turns import FairPool
from order_api.kit.pagination import read_cursor, write_cursor
from order_api.kit.registry import Provider
from order_api.marts.filters import MartParameters
from order_api.marts.repository import PublishedMart, read_marts, read_publication, read_rows

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

    async def read_page(
        self, request: Request, principal: Principal, name: str, parameters: MartParameters
    ) -> tuple[dict[str, object], str | None]:
        """A page of a mart as it is sent, and the cursor for the next one."""
        mart, after, rows = await self.listings.run(
            request, principal.key_id, lambda database: _read(database, name, parameters)
        )
        if self.personal_data.masks(principal):
            rows = list(map(mask_row, rows))
        cursor = None
        if rows and after + len(rows) < mart.rows:
            cursor = write_cursor(str(mart.publication), after + len(rows))
        return {"mart": describe_mart(mart), "items": rows, "next": cursor}, cursor


Marts = Annotated[MartService, Depends(Provider(MartService))]


def describe_mart(mart: PublishedMart) -> dict[str, object]:
    """A mart as it is sent."""
    return {
        "name": mart.name,
        "description": mart.description,
        "columns": [
            {"name": name, "type": _TYPES.get(kind, "string"), "description": description}
            for name, kind, description in mart.columns
        ],
        "rows": mart.rows,
        "complete": mart.complete,
        "published_at": mart.published_at,
    }


async def _read(
    database: Database, name: str, parameters: MartParameters
) -> tuple[PublishedMart, int, list[dict[str, object]]]:
    """A mart, where its page starts, and the page's rows, all of one publication."""
    for _ in range(_ATTEMPTS):
        mart = next((mart for mart in await read_marts(database) if mart.name == name), None)
        if mart is None:
            raise MartUnknown(name)
        # Of another publication a cursor is unknown: the pages would not fit together.
        after = 0 if parameters.cursor is None else read_cursor(parameters.cursor, str(mart.publication), _position)
        rows = await read_rows(database, mart, after, parameters.limit)
        # Publishing replaces the table: a snapshot taken before it would show the new one empty.
        if await read_publication(database, name) == mart.publication:
            return mart, after, rows
    raise MartBeingPublished(name)


def _position(value: object) -> int:
    """The position in a cursor, which can be forged."""
    if type(value) is not int or not 0 <= value <= _MAX_POSITION:
        raise ValueError("is not the position of a row")
    return value
