"""Response of `POST /v1/decide`."""

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from decision_engine.rule import Mode
from order_api.orders.schemas import Hit, PlacedOrder
from order_contract.decision import Outcome, Status

EXAMPLE: Final[dict[str, Any]] = {
    "status": "fraud",
    "outcome": "review",
    "flagged": True,
    "risk_score": 50,
    "hits": [
        {
            "rule": "foreign-country",
            "severity": "medium",
            "score": 50,
            "mode": "live",
            "reason": "Ordered from SG, not from Indonesia.",
        }
    ],
    "features": {"hour": 10},
    "ruleset_version": "0b9a3a1c52f7d6e4",
    "ruleset_source": "newest",
    "order": {
        "order_id": "what-if",
        "user_id": "U-1042",
        "product_id": "P-7",
        "quantity": 2,
        "amount": 350_000_000,
        "currency": "IDR",
        "payment_method": "Credit Card",
        "country": "SG",
        "created_date": "2026-11-22T03:15:00Z",
        "device_id": None,
        "ip_address": None,
        "voucher_code": None,
        "email": None,
        "shipping_country": None,
        "account_created_date": None,
        "attributes": None,
    },
    "rules": [
        {
            "rule": "foreign-country",
            "mode": "live",
            "when": "country != 'ID'",
            "score": 50,
            "outcome": None,
            "fires": True,
            "snoozed": False,
            "values": {"country": "SG"},
            "comparisons": [{"text": "country != 'ID'", "holds": True}],
        }
    ],
    "changes": [
        {
            "name": "country",
            "value": "SG",
            "instead": "ID",
            "outcome": "approve",
            "sentence": "With country ID instead of SG the order would be approved.",
        }
    ],
    "not_computed": [],
}


class RulesetSource(StrEnum):
    """Where the ruleset comes from."""

    DRAFT = "draft"
    """The request, or the draft that it names."""
    STORED = "stored"
    """The version in the request."""
    NEWEST = "newest"
    """The version that decided the newest order."""
    DEFAULT = "default"
    """The default rules, as nothing was decided yet."""


class ComparisonResult(BaseModel):
    """One comparison of a rule's condition."""

    text: Annotated[str, Field(description="as it is written")]
    holds: bool


class RuleResult(BaseModel):
    """What one rule says about the order."""

    rule: str
    mode: Mode
    when: Annotated[str, Field(description="its condition")]
    score: int
    outcome: Annotated[Outcome | None, Field(description="of a hard rule; null for one with a score")]
    fires: Annotated[bool, Field(description="whether its condition holds; for a rule that is off, too")]
    snoozed: bool
    values: Annotated[
        dict[str, Any],
        Field(
            description="of the names in the condition: null for what the order lacks, for a list whether it is in it"
        ),
    ]
    comparisons: list[ComparisonResult]


class Change(BaseModel):
    """A change of one value, or leaving out one rule, with another outcome; it was tried."""

    name: Annotated[str, Field(description="of a field, feature, attribute, list or rule")]
    value: Annotated[Any, Field(description="as it is")]
    instead: Annotated[Any, Field(description="the nearest value with that outcome; null: any text that no rule names")]
    outcome: Outcome
    sentence: str


class NotComputed(BaseModel):
    """A history feature that is absent here, though the detectors may know it."""

    feature: str
    reason: str


class DecidedOrder(PlacedOrder):
    """The order as it was understood."""

    attributes: dict[str, Any] | None


class WhatIfDecision(BaseModel):
    """The decision, what each rule said, and what would have changed the outcome."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    status: Status
    outcome: Outcome
    flagged: bool
    risk_score: Annotated[int, Field(ge=0, le=100)]
    hits: list[Hit]
    features: Annotated[dict[str, Any], Field(description="the values that the rules saw")]
    ruleset_version: str
    ruleset_source: RulesetSource
    order: DecidedOrder
    rules: list[RuleResult]
    changes: Annotated[list[Change], Field(description="at most 20")]
    not_computed: list[NotComputed]
