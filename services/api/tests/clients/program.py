"""A program that uses the generated client `order_client`: what it sees goes to standard output, as JSON."""

import json
import os
import sys

from order_client import AuthenticatedClient, Client
from order_client.api.guide import get_problem
from order_client.api.orders import get_order, list_flags
from order_client.api.session import create_session, get_session
from order_client.api.stats import get_stats
from order_client.api.users import get_user
from order_client.models import Order, OrderPage, OrderSummary, Problem, ProblemType, Session, Stats, User
from order_client.types import UNSET, Unset

URL, KEY = os.environ["API_URL"], os.environ["API_KEY"]


def flags(client: AuthenticatedClient, user_id: str) -> list[OrderSummary]:
    """All flags of a user, page by page."""
    found: list[OrderSummary] = []
    cursor: str | Unset = UNSET
    while True:
        page = list_flags.sync(client=client, user_id=user_id, limit=2, cursor=cursor)
        assert isinstance(page, OrderPage)
        found += page.items
        if page.next_ is None:
            return found
        cursor = page.next_


def main() -> None:
    """Ask for one of everything."""
    client = AuthenticatedClient(base_url=URL, token=KEY, raise_on_unexpected_status=True)
    order = get_order.sync("order/1", client=client)
    assert isinstance(order, Order)
    known = get_order.sync_detailed("order/1", client=client)
    unchanged = get_order.sync_detailed("order/1", client=client, if_none_match=known.headers["ETag"])
    user = get_user.sync("user-1", client=client)
    assert isinstance(user, User)
    stats = get_stats.sync(client=client)
    assert isinstance(stats, Stats)
    unknown = get_order.sync("nope", client=client, wait="10ms")
    assert isinstance(unknown, Problem)
    explained = get_problem.sync(unknown.code, client=Client(base_url=URL))
    assert isinstance(explained, ProblemType)
    invalid = list_flags.sync(client=client, limit=0)
    assert isinstance(invalid, Problem)
    assert not isinstance(invalid.errors, Unset | None)
    stranger = get_order.sync("order/1", client=AuthenticatedClient(base_url=URL, token="nonsense"))
    assert isinstance(stranger, Problem)
    begun = create_session.sync_detailed(client=client)
    token = begun.headers["Set-Cookie"].partition(";")[0].partition("=")[2]
    browser = AuthenticatedClient(base_url=URL, token="", prefix="", cookies={"orderwatch_session": token})
    session = get_session.sync(client=browser)
    assert isinstance(session, Session)
    json.dump(
        {
            "order": [order.order_id, order.amount, order.created_date.isoformat(), order.hits[0].reason],
            "unchanged": unchanged.status_code,
            "flags": [flag.order_id for flag in flags(client, "user-1")],
            "user": [user.standing, user.orders, user.latest_flags.url],
            "orders": stats.stream.dead_letters,
            "unknown": [unknown.status, unknown.code, explained.status],
            "invalid": [invalid.errors[0].field, invalid.errors[0].value],
            "stranger": stranger.code,
            "session": session.role,
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
