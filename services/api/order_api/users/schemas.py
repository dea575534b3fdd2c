"""Response of `/v1/users/{user_id}`."""

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from order_api.kit.totals import Amounts, OutcomeCounts
from order_api.orders.schemas import EXAMPLE as ORDER
from order_api.orders.schemas import OrderPage

_LATEST: Final[dict[str, Any]] = {"items": [ORDER], "next": None, "searched_to": None}
EXAMPLE: Final[dict[str, Any]] = {
    "user_id": "U-1042",
    "standing": "watchlist",
    "orders": 214,
    "flagged": 2,
    "by_outcome": {"approve": 212, "review": 1, "decline": 1},
    "amounts": [{"currency": "IDR", "total": 512_300_000, "flagged": 350_000_000}],
    "first_order_at": "2025-03-02T01:12:44Z",
    "last_order_at": "2026-11-22T03:15:00Z",
    "habits": {
        "orders": 214,
        "payment_methods": [{"payment_method": "Credit Card", "orders": 160}, {"payment_method": "OVO", "orders": 54}],
        "devices": [{"device_id": "d-77aa", "orders": 201}, {"device_id": "d-03fe", "orders": 13}],
    },
    "latest_orders": {**_LATEST, "next": "3q2-7w", "url": "/v1/orders?user_id=U-1042"},
    "latest_flags": {**_LATEST, "url": "/v1/flags?user_id=U-1042"},
}


class Standing(StrEnum):
    """How a user stands, by the number of their orders that were flagged."""

    GOOD = "good standing"
    WATCHLIST = "watchlist"
    BLACKLIST = "blacklist"


class PaymentMethodUse(BaseModel):
    """A payment method and the orders paid with it."""

    payment_method: str
    orders: int


class DeviceUse(BaseModel):
    """A device and the orders placed from it."""

    device_id: str
    orders: int


class Habits(BaseModel):
    """How a user orders, most used first."""

    orders: Annotated[int, Field(description="so many of the newest orders were looked at, 1,000 at most")]
    payment_methods: list[PaymentMethodUse]
    devices: Annotated[list[DeviceUse], Field(description="the ten that were used most")]


class LatestOrders(OrderPage):
    """The newest of a user's orders, and where the others are."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE["latest_orders"]]})

    next: Annotated[str | None, Field(description="`cursor` for the page after it at `url`; null when this is all")]
    url: Annotated[str, Field(description="the whole listing, at this API")]


class User(BaseModel):
    """A user as their stored orders show them."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    user_id: str
    standing: Annotated[
        Standing, Field(description="`blacklist` from three flagged orders on, `watchlist` from the first on")
    ]
    orders: int
    flagged: int
    by_outcome: OutcomeCounts
    amounts: Annotated[list[Amounts], Field(description="by currency")]
    first_order_at: Annotated[AwareDatetime, Field(description="when the first order was placed")]
    last_order_at: Annotated[AwareDatetime, Field(description="when the last order was placed")]
    habits: Habits
    latest_orders: LatestOrders
    latest_flags: Annotated[LatestOrders, Field(description="the same of flagged orders")]
