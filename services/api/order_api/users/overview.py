"""What the database tells about a user, put together."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import urlencode

from order_api.orders.paging import Page
from order_api.personal_data import MASK
from order_api.queries import Use, UserGroup
from order_api.users.model import Standing
from order_contract.decision import Outcome

_BLACKLIST_FROM: Final = 3
_WATCHLIST_FROM: Final = 1
_MOST_USED: Final = 10


class Known(NamedTuple):
    """What is stored about a user: all orders in groups (at least one), what the newest ones used, the newest ones."""

    groups: Sequence[UserGroup]
    uses: Sequence[Use]
    orders: Page
    flags: Page


def standing_of(flagged: int) -> Standing:
    """How a user stands who has so many flagged orders."""
    if flagged >= _BLACKLIST_FROM:
        return Standing.BLACKLIST
    return Standing.WATCHLIST if flagged >= _WATCHLIST_FROM else Standing.GOOD


def overview(user_id: str, known: Known, *, masked: bool = False) -> dict[str, object]:
    """The answer about a user, with or without personal data."""
    outcomes: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    flagged_amounts: Counter[str] = Counter()
    for group in known.groups:
        outcomes[group.outcome] += group.orders
        totals[group.currency] += group.amount
        if group.outcome != Outcome.APPROVE:
            flagged_amounts[group.currency] += group.amount
    orders = outcomes.total()
    flagged = orders - outcomes[Outcome.APPROVE]
    return {
        "user_id": user_id,
        "standing": standing_of(flagged),
        "orders": orders,
        "flagged": flagged,
        "by_outcome": {outcome.value: outcomes[outcome] for outcome in Outcome},
        "amounts": [
            {"currency": currency, "total": totals[currency], "flagged": flagged_amounts[currency]}
            for currency in sorted(totals)
        ],
        "first_order_at": min(group.first for group in known.groups),
        "last_order_at": max(group.last for group in known.groups),
        "habits": _habits(known.uses, masked=masked),
        "latest_orders": _latest("/v1/orders", user_id, known.orders.members(masked=masked)),
        "latest_flags": _latest("/v1/flags", user_id, known.flags.members(masked=masked)),
    }


def _habits(uses: Sequence[Use], *, masked: bool) -> dict[str, object]:
    payment_methods: Counter[str] = Counter()
    devices: Counter[str] = Counter()
    for use in uses:
        payment_methods[use.payment_method] += use.orders
        if use.device_id is not None:
            devices[use.device_id] += use.orders
    return {
        "orders": payment_methods.total(),
        "payment_methods": [{"payment_method": name, "orders": orders} for name, orders in _most_used(payment_methods)],
        "devices": [{"device_id": MASK if masked else name, "orders": orders} for name, orders in _most_used(devices)],
    }


def _most_used(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_MOST_USED]


def _latest(path: str, user_id: str, page: dict[str, object]) -> dict[str, object]:
    return {**page, "url": f"{path}?{urlencode({'user_id': user_id})}"}
