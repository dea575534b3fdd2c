"""Responses about orders, for the documentation.

They are written by `serializers.py` straight from the row; tests hold them against these models.
"""

from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from order_contract.decision import Outcome, Status
from order_contract.label import Label, LabelReason
from order_contract.money import MAX_AMOUNT

EXAMPLE: Final[dict[str, Any]] = {
    "order_id": "0193f7c2-5d1e-7c44-9a31-6f0a4a2f9b10",
    "status": "fraud",
    "outcome": "decline",
    "flagged": True,
    "risk_score": 90,
    "hits": [
        {
            "rule": "large-order",
            "severity": "high",
            "score": 90,
            "mode": "live",
            "reason": "The amount Rp.350,000,000 is at least Rp.300,000,000.",
        }
    ],
    "features": {"local_hour": 10},
    "ruleset_version": "5f0c9d1be2a84c77",
    "decided_at": "2026-11-22T03:15:00.012345Z",
    "user_id": "U-1042",
    "product_id": "P-0007",
    "quantity": 2,
    "amount": 350_000_000,
    "currency": "IDR",
    "payment_method": "Credit Card",
    "country": "ID",
    "created_date": "2026-11-22T03:15:00Z",
    "device_id": "d-77aa",
    "ip_address": "36.68.10.20",
    "voucher_code": None,
    "email": None,
    "shipping_country": None,
    "account_created_date": None,
    "source": {
        "topic": "orders",
        "epoch": 1,
        "partition": 2,
        "offset": 1742,
        "appended_at": "2026-11-22T03:15:00.002Z",
    },
    "stored_at": "2026-11-22T03:15:00.014512Z",
    "label": {
        "label": "fraud",
        "source": "analyst",
        "author": "dina (4be1f6a09c77)",
        "at": "2026-11-22T04:00:00.120Z",
        "reason": "stolen-card",
    },
}


class Hit(BaseModel):
    """One rule that fired."""

    rule: str
    severity: str
    score: int
    mode: Annotated[
        str, Field(description="`live`; `shadow`, `snoozed` or `control` for a hit that has no part in the outcome")
    ]
    reason: Annotated[str, Field(description="why, in a sentence for a person")]


class OrderSource(BaseModel):
    """Where the order came from."""

    topic: str
    epoch: Annotated[int, Field(description="which topic of that name: one more each time that it was created again")]
    partition: int
    offset: int
    appended_at: Annotated[AwareDatetime, Field(description="when the broker took the message")]


class OrderLabel(BaseModel):
    """What an order turned out to be: its newest label."""

    label: Label
    source: Annotated[str, Field(description="what kind of process it comes from, such as `analyst` or `bank`")]
    author: Annotated[str | None, Field(description="the person or program")]
    at: Annotated[AwareDatetime, Field(description="when the verdict was made")]
    reason: Annotated[LabelReason | None, Field(description="why, if the person chose a reason")]


class PlacedOrder(BaseModel):
    """An order as placed."""

    order_id: str
    user_id: str
    product_id: str
    quantity: Annotated[int, Field(ge=1)]
    amount: Annotated[int, Field(ge=0, le=MAX_AMOUNT, description="in the smallest unit of `currency`")]
    currency: Annotated[str, Field(description="ISO 4217")]
    payment_method: str
    country: Annotated[str, Field(description="ISO 3166 alpha-2")]
    created_date: Annotated[AwareDatetime, Field(description="when the order was placed")]
    device_id: str | None
    ip_address: str | None
    voucher_code: str | None
    email: str | None
    shipping_country: str | None
    account_created_date: AwareDatetime | None


class OrderSummary(PlacedOrder):
    """An order as placed, with the decision on it."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    status: Status
    outcome: Outcome
    flagged: Annotated[bool, Field(description="the outcome is not `approve`")]
    risk_score: Annotated[int, Field(ge=0, le=100)]
    hits: list[Hit]
    features: Annotated[dict[str, Any], Field(description="the values that the rules saw")]
    ruleset_version: str
    decided_at: AwareDatetime
    source: OrderSource
    stored_at: AwareDatetime
    label: Annotated[OrderLabel | None, Field(description="the newest label; null without one")]


class Order(OrderSummary):
    """An order as placed, with the decision on it and all that its message held."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**EXAMPLE, "attributes": {"channel": "app"}}]})

    attributes: Annotated[dict[str, Any] | None, Field(description="fields that the event contract does not know")]


class OrderPage(BaseModel):
    """A page of orders, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EXAMPLE], "next": None, "searched_to": None}]})

    items: list[OrderSummary]
    next: Annotated[str | None, Field(description="`cursor` for the next page; null on the last one")]
    searched_to: Annotated[
        AwareDatetime | None,
        Field(
            description="null for a full or last page; else the search paused at this order time, as filters matched "
            "little, and `next` continues from there"
        ),
    ]
