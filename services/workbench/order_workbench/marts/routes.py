"""`/workbench/marts`: what the batch side published, with a chart of each mart's first rows."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import Field

from order_api.auth.dependencies import principal_of, reader
from order_api.auth.keys import Scope
from order_api.marts.filters import MartParameters
from order_api.marts.service import Marts
from order_workbench.kit.documents import plain
from order_workbench.kit.paging import page_query
from order_workbench.kit.rendering import render_page
from order_workbench.kit.routing import page_router

router = page_router(reader(Scope.MARTS))

_MOST_BARS = 12


@router.get("/marts")
async def list_marts(request: Request, marts: Marts) -> Response:
    """All of them, with what a row of each means."""
    found = await marts.list_marts(request, principal_of(request))
    return render_page(request, "marts/page.html", marts=plain(found))


@router.get("/mart")
async def show_mart(
    request: Request,
    marts: Marts,
    mart: Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,62}$")],
    parameters: Annotated[MartParameters, Query()],
) -> Response:
    """A mart's rows in its order."""
    own = MartParameters.model_validate(
        {**parameters.model_dump(exclude={"mart"}), "limit": min(parameters.limit, 200)}
    )
    page, cursor = await marts.read_page(request, principal_of(request), mart, own)
    shown = plain(page)
    return render_page(
        request,
        "marts/rows.html",
        mart=shown["mart"],
        rows=shown["items"],
        filters=own.filters(),
        bars=find_bars(shown["mart"]["columns"], shown["items"]),
        next_page=cursor and page_query(request, cursor=cursor),
    )


def find_bars(columns: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The first rows as bars: the first text column names them, the first whole number is their length."""
    names = [column["name"] for column in columns if column["type"] in {"string", "date"}]
    numbers = [column["name"] for column in columns if column["type"] == "integer"]
    if not names or not numbers or not rows:
        return None
    name, number = names[0], numbers[0]
    chosen = [(row[name], row[number]) for row in rows[:_MOST_BARS] if isinstance(row[number], int)]
    largest = max((value for _, value in chosen), default=0)
    if largest <= 0:
        return None
    return {"name": name, "number": number, "largest": largest, "rows": chosen}
