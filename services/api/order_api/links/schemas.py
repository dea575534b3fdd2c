"""Response of `/v1/links`."""

from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from order_api.links.filters import LinkKind

_EXAMPLE: Final[dict[str, Any]] = {
    "start": "user:U-1042",
    "depth": 2,
    "nodes": [
        {"key": "user:U-1042", "kind": "user", "id": "U-1042", "depth": 0, "flagged": 2, "lists": [], "is_cut": False},
        {
            "key": "device:d-77aa",
            "kind": "device",
            "id": "d-77aa",
            "depth": 1,
            "flagged": 2,
            "lists": ["blocked_devices"],
            "is_cut": False,
        },
    ],
    "links": [
        {
            "source": "user:U-1042",
            "target": "device:d-77aa",
            "orders": 3,
            "flagged": 2,
            "last_order_at": "2026-11-22T03:15:00Z",
        }
    ],
    "is_cut": False,
    "vouchers_from": None,
}


class LinkNode(BaseModel):
    """An order, a user, or a device, address or voucher that orders have."""

    key: Annotated[str, Field(description="names the node in `links`")]
    kind: LinkKind
    id: str
    depth: Annotated[int, Field(description="steps from the first node")]
    flagged: Annotated[int, Field(description="flagged orders, of the link that has the most")]
    lists: Annotated[list[str], Field(description="that hold it now; empty for a key without scope `lists`")]
    is_cut: Annotated[bool, Field(description="whether it has more links than are here")]


class NodeLink(BaseModel):
    """Orders that two nodes have in common, among the newest 500 of one of them."""

    source: str
    target: str
    orders: int
    flagged: int
    last_order_at: AwareDatetime


class Links(BaseModel):
    """Users who share devices, addresses and vouchers, breadth first from one node."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    start: str
    depth: int
    nodes: Annotated[list[LinkNode], Field(description="at most 200, in the sequence in which they were found")]
    links: list[NodeLink]
    is_cut: Annotated[bool, Field(description="whether some node has more links than are here")]
    vouchers_from: Annotated[
        AwareDatetime | None,
        Field(description="users of a voucher are looked for among orders from then on; null for all orders"),
    ]
