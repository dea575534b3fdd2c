"""`/workbench/orders`: the search, and what it finds as CSV."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Final

from fastapi import Form, Query, Request, Response
from starlette.responses import StreamingResponse

from order_api.auth.dependencies import principal_of, reader
from order_api.auth.keys import Scope
from order_api.kit.query_parameters import reject_contradictions
from order_api.orders.service import Orders
from order_api.saved_searches.filters import NamedSearch
from order_api.saved_searches.service import SavedSearches
from order_contract.business_time import BUSINESS_ZONE
from order_contract.decision import Outcome
from order_contract.label import Label
from order_workbench.kit.documents import plain
from order_workbench.kit.order_columns import COLUMNS
from order_workbench.kit.paging import page_query
from order_workbench.kit.rendering import render_page
from order_workbench.kit.routing import page_router, redirect
from order_workbench.search.csv_export import export_orders
from order_workbench.search.filters import SaveForm, SearchParameters

router = page_router(reader(Scope.ORDERS))

# Filters that few searches have: they are folded away until one is used.
FURTHER: Final = ("product_id", "country", "payment_method", "device_id", "ip_address", "voucher_code", "min_amount",
                  "max_amount", "currency", "label")  # fmt: skip


@router.get("/orders")
async def search(
    request: Request, orders: Orders, searches: SavedSearches, parameters: Annotated[SearchParameters, Query()]
) -> Response:
    """The filters, a page of what they find, and the searches that are saved."""
    reject_contradictions(parameters)
    page = plain(await orders.list_page(request, principal_of(request), parameters))
    return render_page(
        request,
        "search/page.html",
        parameters=parameters,
        columns=parameters.columns(),
        all_columns=COLUMNS,
        further_open=any(getattr(parameters, name) is not None for name in FURTHER),
        times={name: _local_time(getattr(parameters, name)) for name in ("created_from", "created_to")},
        outcomes=list(Outcome),
        labels=list(Label),
        page=page,
        next_query=None if page["next"] is None else page_query(request, cursor=page["next"]),
        first_query=page_query(request),
        saved_searches=await searches.all(request),
    )


@router.post("/orders/save")
async def save_search(request: Request, searches: SavedSearches, given: Annotated[SaveForm, Form()]) -> Response:
    """Save a search under a name, in place of the person's own of that name, and show it."""
    await searches.save(request, given.name, given.query, shared=given.shared)
    return redirect(request, f"/workbench/orders?{given.query}")


@router.post("/orders/forget")
async def forget_search(request: Request, searches: SavedSearches, given: Annotated[NamedSearch, Form()]) -> Response:
    """Delete one of the person's own searches."""
    await searches.delete(request, given.name)
    return redirect(request, "/workbench/orders")


@router.get("/orders.csv")
async def export(request: Request, orders: Orders, parameters: Annotated[SearchParameters, Query()]) -> Response:
    """What a search finds as a CSV file, of at most 50,000 orders."""
    reject_contradictions(parameters)
    lines = export_orders(request, orders, parameters)
    first = await anext(lines)  # what is wrong with the search is shown as a page

    async def body() -> AsyncIterator[bytes]:
        yield first
        async for chunk in lines:
            yield chunk

    name = f"orders-{datetime.now(BUSINESS_ZONE):%Y-%m-%d-%H%M%S}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(body(), media_type="text/csv; charset=utf-8", headers=headers)


def _local_time(moment: datetime | None) -> str:
    """A moment as a browser's field for date and time has it, in business time."""
    return "" if moment is None else f"{moment.astimezone(BUSINESS_ZONE):%Y-%m-%dT%H:%M}"
