"""Request bodies: routes of the review queue, and a move of open reviews."""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from order_api.kit.query_parameters import Country, Currency, HyphenatedName, PaymentMethod
from order_contract.money import MAX_AMOUNT

MOST_ROUTES: Final = 50
MAX_DUE_MINUTES: Final = 60 * 24 * 30


class DefaultAction(StrEnum):
    """What happens to a review that is overdue."""

    NONE = "none"
    FRAUD = "fraud"
    """It is closed by this label."""
    LEGITIMATE = "legitimate"
    ESCALATE = "escalate"


class ReviewRoute(BaseModel):
    """Orders that meet all conditions, and what is asked of people about them; null means any."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "large-and-declined",
                    "rule": None,
                    "outcome": "decline",
                    "country": None,
                    "payment_method": None,
                    "min_amount": 300_000_000,
                    "currency": "IDR",
                    "due_minutes": 60,
                    "default_action": "escalate",
                    "second_review_percent": 20,
                }
            ]
        },
    )

    name: Annotated[HyphenatedName, Field(description="of the queue; `retroactive` has those that people opened")]
    rule: Annotated[HyphenatedName | None, Field(description="one of the rules that fired")] = None
    outcome: Annotated[Literal["review", "decline"] | None, Field(description="of the decision")] = None
    country: Country | None = None
    payment_method: PaymentMethod | None = None
    min_amount: Annotated[int, Field(ge=0, le=MAX_AMOUNT, strict=True)] | None = None
    currency: Annotated[Currency | None, Field(description="of `min_amount`; other orders do not match")] = None
    due_minutes: Annotated[int, Field(ge=1, le=MAX_DUE_MINUTES, strict=True, description="after the review is opened")]
    default_action: Annotated[DefaultAction, Field(description="of a review that is overdue")] = DefaultAction.NONE
    second_review_percent: Annotated[
        int, Field(ge=0, le=100, strict=True, description="of the reviews that analysts closed")
    ] = 5

    @model_validator(mode="after")
    def _check_amount(self) -> "ReviewRoute":
        if (self.min_amount is None) != (self.currency is None):
            raise ValueError("min_amount and currency belong together: write both or neither")
        return self


class ReviewRoutes(BaseModel):
    """All routes; the first that matches an order counts."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"routes": [{"name": "default", "outcome": "review", "due_minutes": 1_440}]}]},
    )

    routes: Annotated[
        list[ReviewRoute], Field(max_length=MOST_ROUTES, description="an empty list brings back the default route")
    ]

    @model_validator(mode="after")
    def _check_names(self) -> "ReviewRoutes":
        names = [route.name for route in self.routes]
        if repeated := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"route {repeated} is there twice: give each route a name of its own")
        return self


class ReviewMove(BaseModel):
    """Open reviews of one queue that another one is to have."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"from_queue": "large-and-declined", "to_queue": "default"}]}
    )

    from_queue: Annotated[HyphenatedName, Field(description="also one whose route was removed")]
    to_queue: Annotated[HyphenatedName, Field(description="the name of a route in force")]
