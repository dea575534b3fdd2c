"""Responses about entities."""

from datetime import date
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from order_api.entities.filters import EntityKind
from order_api.kit.totals import Amounts, OutcomeCounts, Share
from order_api.orders.schemas import EXAMPLE as ORDER
from order_api.orders.schemas import OrderSummary

_EXAMPLE: Final[dict[str, Any]] = {
    "kind": "device",
    "id": "d-77aa",
    "orders": 3,
    "by_outcome": {"approve": 1, "review": 1, "decline": 1},
    "by_label": {"fraud": 1, "legitimate": 0, "chargeback": 0},
    "flagged": {"part": 2, "whole": 3, "value": 0.6667, "low": 0.2077, "high": 0.9385},
    "labelled_fraud": {"part": 1, "whole": 1, "value": 1.0, "low": 0.2065, "high": 1.0},
    "amounts": [{"currency": "IDR", "total": 352_500_000, "flagged": 352_000_000}],
    "first_order_at": "2026-11-20T03:15:00Z",
    "last_order_at": "2026-11-22T03:15:00Z",
    "counted_from": None,
    "days": [{"date": "2026-11-22", "orders": 3, "flagged": 2}],
    "shared": [
        {
            "kind": "user",
            "count": 1,
            "values": [{"id": "U-1042", "orders": 3, "flagged": 2, "last_order_at": "2026-11-22T03:15:00Z"}],
        }
    ],
    "lists": [
        {
            "list": "blocked_devices",
            "kind": "block",
            "expires_at": None,
            "added_at": "2026-11-22T03:15:00.014512Z",
            "author": "fraud team (3f9c0a7be412)",
            "reason": "three chargebacks",
        }
    ],
    "latest_orders": [ORDER],
}


class EntityLabels(BaseModel):
    """Orders by their newest label."""

    fraud: int
    legitimate: int
    chargeback: int


class EntityDay(BaseModel):
    """A business date that had orders."""

    date: date
    orders: int
    flagged: int


class SharedValue(BaseModel):
    """A value of another kind on these orders."""

    id: str
    orders: int
    flagged: int
    last_order_at: AwareDatetime


class SharedKind(BaseModel):
    """The most frequent values of another kind on these orders."""

    kind: EntityKind
    count: Annotated[int, Field(description="different values")]
    values: Annotated[list[SharedValue], Field(description="at most 20")]


class EntityListing(BaseModel):
    """A list that holds the entity now, or a snooze of a rule."""

    list: str
    kind: str
    expires_at: AwareDatetime | None
    added_at: AwareDatetime
    author: str
    reason: str


class Entity(BaseModel):
    """What the stored orders with one value show."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    kind: EntityKind
    id: str
    orders: Annotated[int, Field(description="that are counted here: the newest 10,000 at most")]
    by_outcome: OutcomeCounts
    by_label: EntityLabels
    flagged: Annotated[Share, Field(description="of the orders")]
    labelled_fraud: Annotated[Share, Field(description="labelled fraud or chargeback, of the labelled orders")]
    amounts: list[Amounts]
    first_order_at: AwareDatetime
    last_order_at: AwareDatetime
    counted_from: Annotated[
        AwareDatetime | None,
        Field(description="null when all orders are counted; else those placed before it are not"),
    ]
    days: Annotated[list[EntityDay], Field(description="oldest first; days without orders are left out")]
    shared: list[SharedKind]
    lists: Annotated[
        list[EntityListing] | None, Field(description="that hold it now; null for a key without scope `lists`")
    ]
    latest_orders: Annotated[list[OrderSummary], Field(description="at most 10, newest first")]
