"""`/v1/marts` and `/v1/marts/{name}`."""

from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from order_api import queries
from order_api.authentication import caller_of, reader
from order_api.database import Database
from order_api.guarded_route import GuardedRoute
from order_api.keys import Scope
from order_api.marts.cursor import CursorText, read_cursor, write_cursor
from order_api.marts.model import MartList, MartPage
from order_api.openapi import responses
from order_api.parameters import DIGITS_ONLY, Optional, refuse_repeated
from order_api.personal_data import is_masked, mask_row
from order_api.problems.availability import MartBeingPublished
from order_api.problems.orders import MartUnknown
from order_api.responses import json_response
from order_api.services import AllServices

router = APIRouter(prefix="/v1", route_class=GuardedRoute, tags=["marts"], dependencies=[reader(Scope.MARTS)])

# Postgres' types, by their names in JSON Schema.
_TYPES: Final = {
    "text": "string",
    "bigint": "integer", "integer": "integer", "smallint": "integer",
    "numeric": "number", "double precision": "number", "real": "number",
    "boolean": "boolean", "date": "date", "timestamp with time zone": "date-time",
    "timestamp without time zone": "date-time",
}  # fmt: skip
# A mart is published once a day, all at once.
_ATTEMPTS: Final = 3
_LINK: Final = {"headers": {"Link": {"description": "the next page, with rel=next", "schema": {"type": "string"}}}}
MartName = Annotated[str, Path(pattern="^[a-z][a-z0-9_]{0,62}$", description="as in the list of marts")]


class MartParameters(BaseModel):
    """Parameters of a mart's pages."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[int, Field(ge=1, le=1000, description="rows of a page"), DIGITS_ONLY] = 100
    cursor: Annotated[Optional[CursorText], Field(description="`next` of the page before")] = None


@router.get("/marts", operation_id="list_marts", response_model=MartList, responses=responses(401, 403, 503))
async def list_marts(request: Request, services: AllServices) -> Response:
    """The marts that the batch side published, with their columns. Built each day, for orders up to yesterday."""
    marts = await services.listings.run(request, caller_of(request), queries.marts)
    return json_response({"items": [_described(mart) for mart in marts]})


@router.get(
    "/marts/{name}",
    operation_id="get_mart",
    response_model=MartPage,
    responses={200: _LINK, **responses(401, 403, 404, 422, 503)},
)
async def get_mart(
    request: Request, services: AllServices, name: MartName, parameters: Annotated[MartParameters, Query()]
) -> Response:
    """A mart's rows, in its own order: the worst users first, the most frequent pairs first.

    A cursor holds until the mart is published again.
    """
    refuse_repeated(request)
    mart, after, rows = await services.listings.run(
        request, caller_of(request), lambda database: _read(database, name, parameters)
    )
    if is_masked(services.settings, caller_of(request)):
        rows = list(map(mask_row, rows))
    headers, cursor = {}, None
    if rows and after + len(rows) < mart.rows:
        cursor = write_cursor(mart.publication, after + len(rows))
        query = urlencode({"limit": parameters.limit, "cursor": cursor})
        headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'
    return json_response({"mart": _described(mart), "items": rows, "next": cursor}, headers=headers)


async def _read(
    database: Database, name: str, parameters: MartParameters
) -> tuple[queries.PublishedMart, int, list[dict[str, object]]]:
    """A mart, where its page starts, and the page's rows, all of one publication."""
    for _ in range(_ATTEMPTS):
        mart = next((mart for mart in await queries.marts(database) if mart.name == name), None)
        if mart is None:
            raise MartUnknown(name)
        after = 0 if parameters.cursor is None else read_cursor(parameters.cursor, mart.publication)
        rows = await queries.mart_rows(database, mart, after, parameters.limit)
        # Publishing replaces the table: a snapshot taken before it would show the new one empty.
        if await queries.publication_of(database, name) == mart.publication:
            return mart, after, rows
    raise MartBeingPublished(name)


def _described(mart: queries.PublishedMart) -> dict[str, Any]:
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
