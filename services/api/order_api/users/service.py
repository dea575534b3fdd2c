"""Users as their stored orders show them: standing, totals, habits, the newest orders and flags."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, NamedTuple
from urllib.parse import urlencode

from fastapi import Depends, Request

from order_api.auth.credential_cache import Principal
from order_api.auth.personal_data import MASK, PersonalDataPolicy
from order_api.http.problems.orders import UserUnknown
from order_api.kit.database import Database
from order_api.kit.fair_turns import FairPool
from order_api.kit.registry import Provider
from order_api.kit.totals import add_up
from order_api.orders.filters import Criteria
from order_api.orders.repository import Page, read_page
from order_api.orders.serializers import order_page
from order_api.users.repository import Usage, UserGroup, read_user_groups, read_user_usages
from order_api.users.schemas import Standing

LATEST: Final = 10
_BLACKLIST_FROM: Final = 3
_WATCHLIST_FROM: Final = 1
_MOST_USED: Final = 10


class UserFacts(NamedTuple):
    """What is stored about a user: all orders in groups, what the newest ones used, the newest orders and flags."""

    groups: Sequence[UserGroup]
    usages: Sequence[Usage]
    orders: Page
    flags: Page


@dataclass(frozen=True, slots=True)
class UserService:
    """Finds users by their orders."""

    listings: FairPool
    personal_data: PersonalDataPolicy

    async def find(self, request: Request, principal: Principal, user_id: str) -> dict[str, object]:
        """A user as it is sent. Raises UserUnknown."""
        facts = await self.listings.run(request, principal.key_id, lambda database: _read_facts(database, user_id))
        if not facts.groups:
            raise UserUnknown
        return build_overview(user_id, facts, masked=self.personal_data.masks(principal))


Users = Annotated[UserService, Depends(Provider(UserService))]


async def _read_facts(database: Database, user_id: str) -> UserFacts:
    """What is stored about a user, all as of one moment: totals and lists agree while orders are stored."""
    async with database.snapshot() as snapshot:
        return UserFacts(
            await read_user_groups(snapshot, user_id),
            await read_user_usages(snapshot, user_id),
            await read_page(snapshot, Criteria(user_id=user_id), None, LATEST),
            await read_page(snapshot, Criteria(user_id=user_id, flagged=True), None, LATEST),
        )


def classify_standing(flagged: int) -> Standing:
    """The standing of a user with so many flagged orders."""
    if flagged >= _BLACKLIST_FROM:
        return Standing.BLACKLIST
    return Standing.WATCHLIST if flagged >= _WATCHLIST_FROM else Standing.GOOD


def build_overview(user_id: str, facts: UserFacts, *, masked: bool = False) -> dict[str, object]:
    """The response about a user, with or without personal data."""
    totals = add_up(facts.groups)
    return {
        "user_id": user_id,
        "standing": classify_standing(totals.flagged),
        "orders": totals.orders,
        "flagged": totals.flagged,
        "by_outcome": totals.by_outcome.model_dump(),
        "amounts": [amounts.model_dump() for amounts in totals.amounts],
        "first_order_at": min(group.first for group in facts.groups),
        "last_order_at": max(group.last for group in facts.groups),
        "habits": _build_habits(facts.usages, masked=masked),
        "latest_orders": _build_latest("/v1/orders", user_id, order_page(facts.orders, masked=masked)),
        "latest_flags": _build_latest("/v1/flags", user_id, order_page(facts.flags, masked=masked)),
    }


def _build_habits(usages: Sequence[Usage], *, masked: bool) -> dict[str, object]:
    payment_methods: Counter[str] = Counter()
    devices: Counter[str] = Counter()
    for usage in usages:
        payment_methods[usage.payment_method] += usage.orders
        if usage.device_id is not None:
            devices[usage.device_id] += usage.orders
    return {
        "orders": payment_methods.total(),
        "payment_methods": [{"payment_method": name, "orders": orders} for name, orders in _rank_used(payment_methods)],
        "devices": [{"device_id": MASK if masked else name, "orders": orders} for name, orders in _rank_used(devices)],
    }


def _rank_used(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_MOST_USED]


def _build_latest(path: str, user_id: str, page: dict[str, object]) -> dict[str, object]:
    return {**page, "url": f"{path}?{urlencode({'user_id': user_id})}"}
