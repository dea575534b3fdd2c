"""The query parameters of orders and flags."""

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from order_api.orders.criteria import Criteria
from order_api.orders.cursor import CursorText
from order_api.parameters import (
    Amount,
    Bound,
    Country,
    Currency,
    Identifier,
    IpAddress,
    Limit,
    Optional,
    PaymentMethod,
    Text,
    Wait,
)
from order_contract.decision import Outcome, Status
from order_contract.money import DEFAULT_CURRENCY


class PageParameters(BaseModel):
    """What orders and flags have in common."""

    model_config = ConfigDict(extra="forbid")

    user_id: Optional[Identifier] = None
    product_id: Optional[Identifier] = None
    rule: Annotated[Optional[Identifier], Field(description="id of a rule that hit, shadow rules too")] = None
    country: Annotated[Optional[Country], Field(description="ISO 3166 alpha-2")] = None
    payment_method: Annotated[Optional[PaymentMethod], Field(description="known ones in any case")] = None
    device_id: Optional[Text] = None
    ip_address: Optional[IpAddress] = None
    min_amount: Annotated[Optional[Amount], Field(description="in the smallest unit of `currency`")] = None
    max_amount: Annotated[Optional[Amount], Field(description="in the smallest unit of `currency`")] = None
    currency: Annotated[Optional[Currency], Field(description="ISO 4217; IDR when only an amount is given")] = None
    created_from: Annotated[
        Optional[Bound], Field(alias="from", description="created at or after this; without an offset business time")
    ] = None
    created_to: Annotated[
        Optional[Bound], Field(alias="to", description="created before this; without an offset business time")
    ] = None
    limit: Annotated[Limit, Field(description="orders on a page")] = 50
    cursor: Annotated[Optional[CursorText], Field(description="`next` of the page before")] = None

    def criteria(self) -> Criteria:
        """What to look for."""
        by_amount = self.min_amount is not None or self.max_amount is not None
        return Criteria(
            **self.model_dump(exclude={"limit", "cursor", "currency"}),
            # Amounts are compared within one currency only.
            currency=self.currency or (DEFAULT_CURRENCY if by_amount else None),
        )


class OrderParameters(PageParameters):
    """Filters of `/v1/orders`."""

    outcome: Optional[Outcome] = None
    status: Optional[Status] = None


class FlagParameters(PageParameters):
    """Filters of `/v1/flags`."""

    outcome: Optional[Literal[Outcome.REVIEW, Outcome.DECLINE]] = None

    def criteria(self) -> Criteria:
        """What to look for, among flagged orders."""
        return replace(super().criteria(), flagged=True)


class LookupParameters(BaseModel):
    """Parameters of `/v1/orders/{order_id}`."""

    model_config = ConfigDict(extra="forbid")

    wait: Annotated[
        Optional[Wait], Field(description="how long to wait for the decision: `5s` or `500ms`; up to `30s` is taken")
    ] = None
