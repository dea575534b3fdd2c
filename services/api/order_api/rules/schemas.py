"""Responses of `/v1/rules`."""

from datetime import date
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

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


class Share(BaseModel):
    """A proportion with its 95 % interval (Wilson's); null of nothing."""

    part: int
    whole: int
    value: float | None
    low: float | None
    high: float | None


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
