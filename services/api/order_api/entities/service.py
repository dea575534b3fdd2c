"""Entities as their stored orders show them: totals, shares with intervals, days, what they share, lists."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Annotated, Any, Final, NamedTuple

from fastapi import Depends, Request

from decision_engine.proportion import Proportion
from order_api.auth.dependencies import principal_of
from order_api.auth.keys import Scope
from order_api.auth.personal_data import MASK, PersonalDataPolicy, is_personal
from order_api.entities.filters import FIELDS, EntityKind
from order_api.entities.repository import (
    COUNTED_ORDERS,
    OrderGroup,
    SharedValue,
    find_search_edge,
    read_groups,
    read_shared,
)
from order_api.http.problems.orders import EntityUnknown
from order_api.http.problems.requests import NotPermitted
from order_api.kit.database import Database
from order_api.kit.fair_turns import FairPool
from order_api.kit.query_parameters import canonical_id
from order_api.kit.registry import Provider
from order_api.kit.totals import add_up
from order_api.orders.filters import Criteria
from order_api.orders.repository import Page, read_page
from order_api.orders.serializers import order_page
from order_contract.decision import Outcome
from order_contract.label import Label
from order_lists.repository import Listing, find_listings

LATEST: Final = 10
MOST_LISTS: Final = 50
_FRAUD: Final = (Label.FRAUD, Label.CHARGEBACK)


class EntityFacts(NamedTuple):
    """What is stored about an entity; `since` is the start of the searched range; None for all orders."""

    since: datetime | None
    groups: Sequence[OrderGroup]
    shared: Sequence[SharedValue]
    lists: Sequence[Listing] | None
    latest: Page


@dataclass(frozen=True, slots=True)
class EntityService:
    """Finds entities by their orders, on the connections for statistics: keys take turns."""

    statistics: FairPool
    personal_data: PersonalDataPolicy

    async def find(self, request: Request, kind: EntityKind, value: str) -> dict[str, Any]:
        """An entity as it is sent. Raises EntityUnknown, NotPermitted."""
        principal = principal_of(request)
        masked = self.personal_data.masks(principal)
        if masked and is_personal(FIELDS[kind]):
            raise NotPermitted(f"{FIELDS[kind]} is personal data, which is masked for your key")
        value = canonical_id(kind, value)

        async def read(database: Database) -> EntityFacts:
            async with database.snapshot() as snapshot:
                since = await find_search_edge(snapshot, kind)
                groups = await read_groups(snapshot, kind, value, since)
                if not groups:
                    raise EntityUnknown(kind, since)
                listings = None
                if principal.has_scope(Scope.LISTS):
                    listings = await find_listings(snapshot, FIELDS[kind], value, MOST_LISTS)
                return EntityFacts(
                    since,
                    groups,
                    await read_shared(snapshot, kind, value, since),
                    listings,
                    await read_page(snapshot, Criteria(**{FIELDS[kind]: value}), None, LATEST),
                )

        facts = await self.statistics.run(request, principal.key_id, read)
        return build_entity(kind, value, facts, masked=masked)


Entities = Annotated[EntityService, Depends(Provider(EntityService))]


def build_entity(kind: EntityKind, value: str, facts: EntityFacts, *, masked: bool) -> dict[str, Any]:
    """The response about an entity, with or without personal data."""
    totals = add_up(facts.groups)
    labels: Counter[str] = Counter()
    days: Counter[date] = Counter()
    flagged_days: Counter[date] = Counter()
    for group in facts.groups:
        days[group.day] += group.orders
        if group.label is not None:
            labels[group.label] += group.orders
        if group.outcome != Outcome.APPROVE:
            flagged_days[group.day] += group.orders
    first = min(group.first for group in facts.groups)
    return {
        "kind": kind,
        "id": value,
        "orders": totals.orders,
        "by_outcome": totals.by_outcome.model_dump(),
        "by_label": {label.value: labels[label] for label in Label},
        "flagged": Proportion(totals.flagged, totals.orders).as_document(),
        "labelled_fraud": Proportion(sum(labels[each] for each in _FRAUD), labels.total()).as_document(),
        "amounts": [amounts.model_dump() for amounts in totals.amounts],
        "first_order_at": first,
        "last_order_at": max(group.last for group in facts.groups),
        "counted_from": first if totals.orders >= COUNTED_ORDERS else facts.since,
        "days": [{"date": day, "orders": days[day], "flagged": flagged_days[day]} for day in sorted(days)],
        "shared": _build_shared(facts.shared, masked=masked),
        "lists": None if facts.lists is None else [each._asdict() for each in facts.lists],
        "latest_orders": order_page(facts.latest, masked=masked)["items"],
    }


def _build_shared(shared: Sequence[SharedValue], *, masked: bool) -> list[dict[str, Any]]:
    found = []
    for kind, values in groupby(shared, key=lambda each: each.kind):
        of_kind = list(values)
        hidden = masked and is_personal(FIELDS[EntityKind(kind)])
        found.append(
            {
                "kind": kind,
                "count": of_kind[0].ids,
                "values": [
                    {
                        "id": MASK if hidden else each.id,
                        "orders": each.orders,
                        "flagged": each.flagged,
                        "last_order_at": each.last,
                    }
                    for each in of_kind
                ],
            }
        )
    return found
