"""The graph of links: users on one side, devices, addresses and vouchers on the other, within bounds."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from order_api.links.filters import LinkKind

MOST_NODES: Final = 200
MOST_LINKS: Final = 50
"""Of one node, newest first."""


class NodeKey(NamedTuple):
    """A node: an order, a user, or a value that orders share."""

    kind: LinkKind
    id: str


class Link(NamedTuple):
    """A step of the search: orders that two nodes have in common."""

    start: NodeKey
    end: NodeKey
    orders: int
    flagged: int
    last: datetime


@dataclass(slots=True)
class LinkGraph:
    """Nodes with their distance from the first one, in the sequence in which they were found, and links."""

    depths: dict[NodeKey, int]
    links: dict[frozenset[NodeKey], Link] = field(default_factory=dict)
    cut: set[NodeKey] = field(default_factory=set)
    """Nodes that have more links than are here."""

    def add(self, found: Iterable[Link]) -> list[NodeKey]:
        """Add links, newest first for each node, and return the new nodes."""
        new: list[NodeKey] = []
        counts: dict[NodeKey, int] = {}
        for link in found:
            counts[link.start] = counts.get(link.start, 0) + 1
            is_known = link.end in self.depths
            if counts[link.start] > MOST_LINKS or (not is_known and len(self.depths) >= MOST_NODES):
                self.cut.add(link.start)
                continue
            if not is_known:
                self.depths[link.end] = self.depths[link.start] + 1
                new.append(link.end)
            self.links.setdefault(frozenset((link.start, link.end)), link)
        return new
