"""Responses of `/v1/rules`."""

from datetime import date
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from order_api.kit.totals import Share

EXAMPLE: Final[dict[str, Any]] = {
    "start": "2026-10-01T00:00:00Z",
    "end": "2026-10-31T00:00:00Z",
    "items": [
        {
            "period": "2026-10-01",
            "rule": "foreign-country",
            "ruleset_version": "0b9a3a1c52f7d6e4",
            "mode": "live",
            "mature": True,
            "hits": {"orders": 120, "money": {"IDR": 5_200_000_000}},
            "fraud": {"orders": 30, "money": {"IDR": 1_900_000_000}},
            "legitimate": {"orders": 10, "money": {"IDR": 410_000_000}},
            "precision": {"part": 30, "whole": 40, "value": 0.75, "low": 0.598, "high": 0.858},
            "recall": {"part": 30, "whole": 50, "value": 0.6, "low": 0.462, "high": 0.724},
        }
    ],
}


class Sum(BaseModel):
    """A number of orders and their amounts."""

    orders: int
    money: Annotated[dict[str, int], Field(description="by currency, in its smallest unit")]


class RulePerformance(BaseModel):
    """A rule of one version in one mode and period."""

    period: Annotated[date | None, Field(description="its first business date; null for the range as a whole")]
    rule: str
    ruleset_version: Annotated[str | None, Field(description="null when versions are counted together")]
    mode: Annotated[str, Field(description="of its hits: live, shadow, snoozed or control")]
    mature: Annotated[
        bool, Field(description="the labels of the period are due: `label_days` have passed since its end")
    ]
    hits: Sum
    fraud: Annotated[
        Sum, Field(description="hits labelled fraud or chargeback: the money that it saves when it is live")
    ]
    legitimate: Annotated[Sum, Field(description="hits labelled legitimate: what its false alarms stop")]
    precision: Annotated[Share, Field(description="the fraud among its labelled hits")]
    recall: Annotated[Share, Field(description="its fraud among all labelled fraud that the version decided then")]


class Performance(BaseModel):
    """Rules by period, then by their number of hits."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    start: AwareDatetime
    end: AwareDatetime
    items: list[RulePerformance]


class Overlap(BaseModel):
    """Two rules that fire on the same orders."""

    rules: Annotated[list[str], Field(min_length=2, max_length=2)]
    orders: int


class OverlappingRule(BaseModel):
    """The orders on which a rule fires."""

    rule: str
    orders: int


class Overlaps(BaseModel):
    """The rules that fired in a range, most hits first, and which of them fired on the same orders."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "start": "2026-10-01T00:00:00Z",
                    "end": "2026-10-31T00:00:00Z",
                    "rules": [{"rule": "foreign-country", "orders": 120}, {"rule": "large-order", "orders": 40}],
                    "overlaps": [{"rules": ["foreign-country", "large-order"], "orders": 12}],
                }
            ]
        }
    )

    start: AwareDatetime
    end: AwareDatetime
    rules: list[OverlappingRule]
    overlaps: Annotated[list[Overlap], Field(description="most orders first; names of a pair in alphabetical order")]


class ScoreCount(BaseModel):
    """The orders of one risk score."""

    score: int
    orders: int
    fraud: Annotated[int, Field(description="labelled fraud or chargeback")]
    legitimate: int


class Threshold(BaseModel):
    """What it would mean to flag each order from a risk score on."""

    score: Annotated[int, Field(description="the least that is flagged")]
    orders: int
    orders_per_day: Annotated[float, Field(description="to be reviewed or declined")]
    share: Annotated[float | None, Field(description="of all orders")]
    precision: Annotated[Share, Field(description="the fraud among the labelled orders that are flagged")]
    recall: Annotated[Share, Field(description="the flagged orders among those that are labelled fraud")]
    money: Annotated[dict[str, int], Field(description="held: of all flagged orders, by currency")]
    fraud_money: Annotated[dict[str, int], Field(description="of flagged orders that are labelled fraud")]
    legitimate_money: Annotated[dict[str, int], Field(description="of flagged orders that are labelled legitimate")]


_SHARE: Final[dict[str, Any]] = {"part": 30, "whole": 40, "value": 0.75, "low": 0.598, "high": 0.858}


class OperatingPoints(BaseModel):
    """The orders by risk score, and what each threshold would mean."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "start": "2026-10-01T00:00:00Z",
                    "end": "2026-10-31T00:00:00Z",
                    "days": 30.0,
                    "orders": 9_000,
                    "scores": [{"score": 50, "orders": 120, "fraud": 30, "legitimate": 10}],
                    "thresholds": [
                        {
                            "score": 50,
                            "orders": 120,
                            "orders_per_day": 4.0,
                            "share": 0.013,
                            "precision": _SHARE,
                            "recall": _SHARE,
                            "money": {"IDR": 5_200_000_000},
                            "fraud_money": {"IDR": 1_900_000_000},
                            "legitimate_money": {"IDR": 410_000_000},
                        }
                    ],
                }
            ]
        }
    )

    start: AwareDatetime
    end: AwareDatetime
    days: Annotated[float, Field(description="length of the range")]
    orders: int
    scores: Annotated[list[ScoreCount], Field(description="lowest first; scores that no order has are left out")]
    thresholds: Annotated[
        list[Threshold], Field(description="one for each score above 0; rules with an outcome do not go by scores")
    ]
