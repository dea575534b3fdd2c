"""Following shared devices, addresses and vouchers from an order or user, breadth first and within bounds."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Request

from order_api.auth.dependencies import principal_of
from order_api.auth.keys import Scope
from order_api.auth.personal_data import PersonalDataPolicy
from order_api.entities.filters import FIELDS, EntityKind
from order_api.entities.repository import find_search_edge
from order_api.http.problems.orders import EntityUnknown
from order_api.http.problems.requests import NotPermitted
from order_api.kit.database import Database, PoolConnection
from order_api.kit.fair_turns import FairPool
from order_api.kit.query_parameters import canonical_id
from order_api.kit.registry import Provider
from order_api.links.filters import LinkKind
from order_api.links.graph import Link, LinkGraph, NodeKey
from order_api.links.repository import read_links
from order_api.orders.lookups import require_order
from order_contract.decision import Outcome
from order_lists.repository import read_memberships


@dataclass(frozen=True, slots=True)
class LinkService:
    """Searches for links, on the connections for statistics: keys take turns."""

    statistics: FairPool
    personal_data: PersonalDataPolicy

    async def find(self, request: Request, start: NodeKey, depth: int) -> dict[str, Any]:
        """The graph as it is sent. Raises EntityUnknown, OrderUnknown, NotPermitted."""
        principal = principal_of(request)
        if self.personal_data.masks(principal):
            raise NotPermitted("links are followed through devices and addresses, which are masked for your key")
        start = start._replace(id=canonical_id(start.kind, start.id))

        async def search(database: Database) -> dict[str, Any]:
            async with database.snapshot() as snapshot:
                since = await find_search_edge(snapshot, EntityKind.VOUCHER)
                graph = await _search(snapshot, start, depth, since)
                lists = await _read_lists(snapshot, graph) if principal.has_scope(Scope.LISTS) else {}
                return build_document(graph, start, depth, lists, since)

        return await self.statistics.run(request, principal.key_id, search)


LinkSearch = Annotated[LinkService, Depends(Provider(LinkService))]


async def _search(snapshot: PoolConnection, start: NodeKey, depth: int, since: datetime | None) -> LinkGraph:
    graph = LinkGraph({start: 0})
    frontier = [start]
    for _ in range(depth):
        found = await _read_step(snapshot, frontier, start, since)
        if frontier == [start] and not found:
            raise EntityUnknown(start.kind, since if start.kind is LinkKind.VOUCHER else None)
        frontier = graph.add(found)
    return graph


async def _read_step(
    snapshot: PoolConnection, frontier: Sequence[NodeKey], start: NodeKey, since: datetime | None
) -> Sequence[Link]:
    """The links of the nodes that were found last.

    Of vouchers only where the search begins at one: thousands may have used it, who have nothing else in common.
    """
    if start.kind is LinkKind.ORDER and start in frontier:
        return await _links_of_order(snapshot, start)
    by_kind: dict[LinkKind, list[str]] = defaultdict(list)
    for node in frontier:
        if node.kind is not LinkKind.VOUCHER or node == start:
            by_kind[node.kind].append(node.id)
    found: list[Link] = []
    for kind, ids in by_kind.items():
        found += await read_links(snapshot, kind, ids, since if kind is LinkKind.VOUCHER else None)
    return found


async def _links_of_order(snapshot: PoolConnection, start: NodeKey) -> Sequence[Link]:
    row = (await require_order(snapshot, start.id)).row
    ends = [
        NodeKey(kind, value)
        for kind in LinkKind
        if kind is not LinkKind.ORDER and (value := getattr(row, FIELDS[EntityKind(kind)])) is not None
    ]
    return [Link(start, end, 1, int(row.outcome != Outcome.APPROVE), row.created_date) for end in ends]


async def _read_lists(snapshot: PoolConnection, graph: LinkGraph) -> Mapping[NodeKey, Sequence[str]]:
    """The lists that hold nodes now."""
    kinds = {FIELDS[EntityKind(kind)]: kind for kind in LinkKind if kind is not LinkKind.ORDER}
    lists: dict[NodeKey, list[str]] = defaultdict(list)
    for entry in await read_memberships(snapshot, [node.id for node in graph.depths]):
        if entry.field in kinds:
            lists[NodeKey(kinds[entry.field], entry.value)].append(entry.list_name)
    return lists


def build_document(
    graph: LinkGraph,
    start: NodeKey,
    depth: int,
    lists: Mapping[NodeKey, Sequence[str]],
    vouchers_from: datetime | None,
) -> dict[str, Any]:
    """The response about a graph."""
    flagged = _count_flagged(graph.links.values())
    return {
        "start": _key(start),
        "depth": depth,
        "nodes": [
            {
                "key": _key(node),
                "kind": node.kind,
                "id": node.id,
                "depth": steps,
                "flagged": flagged[node],
                "lists": sorted(lists.get(node, ())),
                "is_cut": node in graph.cut,
            }
            for node, steps in graph.depths.items()
        ],
        "links": [
            {
                "source": _key(link.start),
                "target": _key(link.end),
                "orders": link.orders,
                "flagged": link.flagged,
                "last_order_at": link.last,
            }
            for link in graph.links.values()
        ],
        "is_cut": bool(graph.cut),
        "vouchers_from": vouchers_from,
    }


def _count_flagged(links: Iterable[Link]) -> Counter[NodeKey]:
    """The flagged orders of each node: of the link that has the most, as an order has links to several nodes."""
    flagged: Counter[NodeKey] = Counter()
    for link in links:
        for node in (link.start, link.end):
            flagged[node] = max(flagged[node], link.flagged)
    return flagged


def _key(node: NodeKey) -> str:
    return f"{node.kind}:{node.id}"
