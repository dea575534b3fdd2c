"""Orders as CSV: pages one after the other, cut where a bound says so, and no text that a spreadsheet computes."""

import csv
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fastapi import Request

from order_api.orders.service import OrderService
from order_workbench.search.csv_export import export_orders
from order_workbench.search.filters import SearchParameters

REQUEST = cast("Request", SimpleNamespace(state=SimpleNamespace(principal=None)))
PARAMETERS = SearchParameters.model_validate({"column": ["order_id", "amount", "label", "rules"]})


class FakeOrders:
    """Pages of two orders each."""

    def __init__(self, count: int) -> None:
        self._count = count

    async def list_page(self, _request: Request, _principal: object, parameters: SearchParameters) -> dict[str, Any]:
        first = int(parameters.cursor or 0)
        items = [self._order(number) for number in range(first, min(first + 2, self._count))]
        following = first + 2
        return {"items": items, "next": str(following) if following < self._count else None, "searched_to": None}

    def _order(self, number: int) -> dict[str, Any]:
        return {
            "order_id": f"=o{number}",
            "amount": number,
            "currency": "IDR",
            "label": {"label": "fraud"} if number == 0 else None,
            "hits": [{"rule": "a", "reason": "A."}, {"rule": "b", "reason": "B."}],
            "created_date": f"2026-11-2{number}T00:00:00Z",
        }


async def export(count: int, most_rows: int) -> list[list[str]]:
    orders = cast("OrderService", FakeOrders(count))
    chunks = [chunk async for chunk in export_orders(REQUEST, orders, PARAMETERS, most_rows)]
    return list(csv.reader(b"".join(chunks).decode().splitlines()))


async def test_writes_all_pages_under_one_header() -> None:
    rows = await export(count=5, most_rows=5)
    assert rows[0] == ["order_id", "amount", "currency", "label", "rules"]
    assert rows[1] == ["'=o0", "0", "IDR", "fraud", "a b"]
    assert [row[0] for row in rows[2:]] == ["'=o1", "'=o2", "'=o3", "'=o4"]


@pytest.mark.parametrize("most_rows", [2, 3])
async def test_says_where_it_was_cut(most_rows: int) -> None:
    *rows, last = await export(count=5, most_rows=most_rows)
    assert len(rows) == 1 + most_rows
    since = f"2026-11-2{most_rows - 1}T00:00:00Z"
    assert last == [f"cut here, after {most_rows} orders: orders placed before {since} are missing"]


async def test_an_empty_search_is_a_header() -> None:
    assert len(await export(count=0, most_rows=5)) == 1
