"""What a search finds as CSV, page by page, within bounds of rows and time."""

import csv
import io
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from fastapi import Request

from order_api.auth.dependencies import principal_of
from order_api.orders.service import OrderService
from order_platform.csv_rows import spreadsheet_text
from order_workbench.kit.documents import plain
from order_workbench.search.filters import SearchParameters

MOST_ROWS: Final = 50_000
# A search for something rare goes through all orders, 10,000 in a step.
MOST_SECONDS: Final = 120.0
_PAGE: Final = 500


async def export_orders(
    request: Request, orders: OrderService, parameters: SearchParameters, most_rows: int = MOST_ROWS
) -> AsyncIterator[bytes]:
    """The header and the rows; where it was cut, the last line says so, and from which time on orders are missing."""
    columns = list(parameters.columns())
    if "amount" in columns:
        columns.insert(columns.index("amount") + 1, "currency")
    deadline = time.monotonic() + MOST_SECONDS
    wanted = parameters.model_copy(update={"limit": _PAGE})
    remaining, header = most_rows, True
    while True:
        page = plain(await orders.list_page(request, principal_of(request), wanted))
        items = page["items"][:remaining]
        yield _lines(([columns] if header else []) + [[_cell(item, name) for name in columns] for item in items])
        header, remaining = False, remaining - len(items)
        is_cut = len(items) < len(page["items"]) or (page["next"] is not None and not remaining)
        if is_cut or (page["next"] is not None and time.monotonic() > deadline):
            since = items[-1]["created_date"] if items else page["searched_to"] or "the beginning"
            bound = f"{most_rows:,} orders" if is_cut else f"{MOST_SECONDS:.0f} seconds"
            yield _lines([[f"cut here, after {bound}: orders placed before {since} are missing"]])
            return
        if page["next"] is None:
            return
        wanted = wanted.model_copy(update={"cursor": page["next"]})


def _lines(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cell(order: Mapping[str, Any], column: str) -> str:
    match column:
        case "rules":
            value: Any = " ".join(hit["rule"] for hit in order["hits"])
        case "reasons":
            value = " ".join(hit["reason"] for hit in order["hits"])
        case "label":
            value = order["label"] and order["label"]["label"]
        case _:
            value = order[column]
    return "" if value is None else spreadsheet_text(value) if isinstance(value, str) else str(value)
