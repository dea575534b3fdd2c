"""Query parameters of orders and flags, each filter with its SQL condition."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from order_api.kit.pagination import CursorText
from order_api.kit.query_parameters import (
    Amount,
    Country,
    Currency,
    Identifier,
    IpAddress,
    Limit,
    PaymentMethod,
    QueryParam,
    Text,
    TimeBound,
    Wait,
)
from order_contract.decision import Outcome, Status
from order_contract.label import Label
from order_contract.money import DEFAULT_CURRENCY

_CURRENT_LABEL: Final = """
    select label from labels
    where labels.order_id = orders.order_id order by epoch desc, "offset" desc, partition desc limit 1
"""  # found by index labels_by_order, for each order that is searched


class IndexUse(Enum):
    """The index of table `orders` that answers a condition."""

    NONE = auto()
    OWN = auto()
    """An index of its own, which a search goes through."""
    BY_USER = auto()
    """What index orders_by_user holds beside the user: conditions on it need no look at the table."""
    TIME = auto()
    """Every index: all are ordered by time."""


@dataclass(frozen=True, slots=True)
class Condition:
    """The SQL condition of a filter, as metadata of its parameter; `{}` is the value."""

    sql: str
    index: IndexUse = IndexUse.NONE


class Criteria:
    """AND-combined filters of orders by name; None means not filtered. `flagged=True` is for flagged orders only."""

    def __init__(self, **filters: object) -> None:
        self.values = {name: value for name, value in sorted(filters.items()) if value is not None}
        if unknown := self.values.keys() - FILTERS:
            raise TypeError(f"there is no filter {', '.join(sorted(unknown))}")

    def get(self, name: str) -> object:
        """The value of a filter, or None."""
        return self.values.get(name)


class PageParameters(BaseModel):
    """What orders and flags have in common."""

    model_config = ConfigDict(extra="forbid")

    user_id: Annotated[QueryParam[Identifier], Condition("user_id = {}", IndexUse.OWN)] = None
    product_id: Annotated[QueryParam[Identifier], Condition("product_id = {}")] = None
    rule: Annotated[
        QueryParam[Identifier],
        Condition("{} = any(rule_ids)"),
        Field(description="id of a rule that hit, shadow rules too"),
    ] = None
    country: Annotated[QueryParam[Country], Condition("country = {}"), Field(description="ISO 3166 alpha-2")] = None
    payment_method: Annotated[
        QueryParam[PaymentMethod], Condition("payment_method = {}"), Field(description="known ones in any case")
    ] = None
    device_id: Annotated[QueryParam[Text], Condition("device_id = {}", IndexUse.OWN)] = None
    ip_address: Annotated[QueryParam[IpAddress], Condition("ip_address = {}", IndexUse.OWN)] = None
    voucher_code: Annotated[QueryParam[Text], Condition("voucher_code = {}")] = None
    min_amount: Annotated[
        QueryParam[Amount],
        Condition("amount >= {}", IndexUse.BY_USER),
        Field(description="in the smallest unit of `currency`"),
    ] = None
    max_amount: Annotated[
        QueryParam[Amount],
        Condition("amount <= {}", IndexUse.BY_USER),
        Field(description="in the smallest unit of `currency`"),
    ] = None
    currency: Annotated[
        QueryParam[Currency],
        Condition("currency = {}", IndexUse.BY_USER),
        Field(description="ISO 4217; IDR when only an amount is given"),
    ] = None
    label: Annotated[
        QueryParam[Label], Condition(f"{{}} = ({_CURRENT_LABEL})"), Field(description="the order's newest label")
    ] = None
    created_from: Annotated[
        QueryParam[TimeBound],
        Condition("created_date >= {}", IndexUse.TIME),
        Field(alias="from", description="created at or after this; without an offset business time"),
    ] = None
    created_to: Annotated[
        QueryParam[TimeBound],
        Condition("created_date < {}", IndexUse.TIME),
        Field(alias="to", description="created before this; without an offset business time"),
    ] = None
    limit: Annotated[Limit, Field(description="orders on a page")] = 50
    cursor: Annotated[QueryParam[CursorText], Field(description="`next` of the page before")] = None

    def criteria(self, *, flagged: bool | None = None) -> Criteria:
        """The filters that the client asked for."""
        by_amount = self.min_amount is not None or self.max_amount is not None
        return Criteria(
            **self.model_dump(include={*FILTERS} - {"currency"}),
            # Amounts are compared within one currency only.
            currency=self.currency or (DEFAULT_CURRENCY if by_amount else None),
            flagged=flagged,
        )


class OrderParameters(PageParameters):
    """Filters of `/v1/orders`."""

    outcome: Annotated[QueryParam[Outcome], Condition("outcome = {}", IndexUse.BY_USER)] = None
    status: QueryParam[Status] = None


class FlagParameters(PageParameters):
    """Filters of `/v1/flags`."""

    outcome: QueryParam[Literal[Outcome.REVIEW, Outcome.DECLINE]] = None

    def criteria(self, *, flagged: bool | None = True) -> Criteria:
        """The filters that the client asked for, among flagged orders."""
        return super().criteria(flagged=flagged)


class LookupParameters(BaseModel):
    """Parameters of `/v1/orders/{order_id}`."""

    model_config = ConfigDict(extra="forbid")

    wait: Annotated[
        QueryParam[Wait], Field(description="how long to wait for the decision: `5s` or `500ms`; up to `30s` is taken")
    ] = None


CONDITIONS: Final = {
    name: condition
    for name, field in OrderParameters.model_fields.items()
    for condition in field.metadata
    if isinstance(condition, Condition)
}
# Status follows from the outcome, so both are answered by one condition (`flagged_condition`).
FILTERS: Final = frozenset({*CONDITIONS, "status", "flagged"})
# Word for word what index orders_flagged is for.
FLAGGED: Final = "outcome <> 'approve'"


def flagged_condition(criteria: Criteria) -> str | None:
    """The SQL condition for flagged orders, or for the others; None for both."""
    status, outcome = criteria.get("status"), criteria.get("outcome")
    if criteria.get("flagged") or outcome in {Outcome.REVIEW, Outcome.DECLINE} or status == Status.FRAUD:
        return FLAGGED
    return "outcome = 'approve'" if status == Status.GENUINE else None
