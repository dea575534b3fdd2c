"""Pages of orders, and the cursor that leads from one to the next."""

from collections.abc import Sequence
from typing import NamedTuple

from order_api import queries
from order_api.database import Database
from order_api.orders.criteria import Criteria, Position
from order_api.orders.cursor import write_cursor
from order_api.orders.stored import StoredOrder, order_summary


class Page(NamedTuple):
    """Some orders, newest first, and the cursor for those after them; None when these are the last."""

    orders: Sequence[StoredOrder]
    next: str | None

    def members(self, topic: str) -> dict[str, object]:
        """The page as it is answered; `topic` is where its orders came from."""
        return {"items": [order_summary(order, topic) for order in self.orders], "next": self.next}


async def read_page(database: Database, criteria: Criteria, after: Position | None, limit: int) -> Page:
    """Up to `limit` orders that meet the criteria, from `after` on."""
    # One more than asked for tells whether there is a next page.
    orders = await queries.page(database, criteria, after, limit + 1)
    if len(orders) <= limit:
        return Page(orders, None)
    last = orders[limit - 1].row
    return Page(orders[:limit], write_cursor(Position(last.created_date, last.order_id), criteria))
