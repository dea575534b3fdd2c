"""Responses of `/v1/rulesets`."""

from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from decision_engine.diagnostics import NameKind, Severity
from decision_engine.flag_rate import FlagRateVerdict
from decision_engine.rule import Mode
from order_contract.decision import Outcome
from order_platform.postgres.ruleset_versions import Action

_WATCH: Final[dict[str, Any]] = {
    "version": "3372255be29951af",
    "started_at": "2026-11-22T03:15:00.014512Z",
    "until": "2026-11-22T03:20:00.014512Z",
    "is_over": False,
    "before": {"part": 359, "whole": 17_930, "value": 0.02, "low": 0.018, "high": 0.022},
    "since": {"part": 361, "whole": 1_204, "value": 0.3, "low": 0.275, "high": 0.326},
    "difference": {"low": 0.238, "high": 0.325},
    "verdict": "rise",
}
_ACTIVE: Final[dict[str, Any]] = {
    "version": "3372255be29951af",
    "candidate": None,
    "percent": None,
    "action": "publish",
    "author": "fraud team (3f9c0a7be412)",
    "message": "wallets above 10 million",
    "activated_at": "2026-11-22T03:15:00.014512Z",
    "watch": _WATCH,
}
_DRAFT: Final[dict[str, Any]] = {
    "name": "large-wallets",
    "version": "3372255be29951af",
    "base_version": "94ddd6bac399caae",
    "authors": ["dina (4be1f6a09c77)"],
    "message": "wallets above 10 million",
    "updated_at": "2026-11-22T03:10:00.014512Z",
    "approved_by": None,
    "approved_at": None,
}


class FlagShare(BaseModel):
    """Flagged orders of all orders, with the 95 % interval (Wilson's); null of nothing."""

    part: int
    whole: int
    value: float | None
    low: float | None
    high: float | None


class Difference(BaseModel):
    """The 99.9 % interval of the change of a share; null while there are too few orders."""

    low: float | None
    high: float | None


class Watch(BaseModel):
    """The share of flagged orders before and since the last switch."""

    version: Annotated[str, Field(description="whose orders are counted: during a roll-out the candidate")]
    started_at: Annotated[AwareDatetime, Field(description="when the switch was")]
    until: Annotated[AwareDatetime, Field(description="orders that are created later do not count")]
    is_over: bool
    before: FlagShare
    since: FlagShare
    difference: Difference
    verdict: Annotated[
        FlagRateVerdict,
        Field(description="`rise` and `fall` are jumps: roll back if they are not meant; `unclear`: too few orders"),
    ]


class ActivePointer(BaseModel):
    """What is active, since when and by whom."""

    version: str
    candidate: Annotated[str | None, Field(description="that is rolled out beside the active version")]
    percent: Annotated[int | None, Field(description="of the users whose orders the candidate decides")]
    action: Action
    author: str
    message: str | None
    activated_at: AwareDatetime


class ActiveRuleset(ActivePointer):
    """What is active, and what it has done to the share of flagged orders."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ACTIVE]})

    watch: Watch


class DraftSummary(BaseModel):
    """A ruleset that is worked on."""

    model_config = ConfigDict(json_schema_extra={"examples": [_DRAFT]})

    name: str
    version: str
    base_version: Annotated[str | None, Field(description="that was active when the draft was changed last")]
    authors: Annotated[list[str], Field(description="everyone who changed it; none of them can approve it")]
    message: str | None
    updated_at: AwareDatetime
    approved_by: str | None
    approved_at: AwareDatetime | None


class DraftPage(BaseModel):
    """A page of drafts, in the order of their names."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_DRAFT], "next": None}]})

    items: list[DraftSummary]
    next: Annotated[str | None, Field(description="`cursor` for the page after this; null when it is the last")]


class DraftDetails(DraftSummary):
    """A draft with its rules, and how it differs from the active version."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{**_DRAFT, "content": "review_at: 50\n...", "difference": ["Rule large: score was 50 ..."]}]
        }
    )

    content: Annotated[str, Field(description="YAML")]
    difference: Annotated[
        list[str] | None, Field(description="in sentences; empty: none; null while no version is active")
    ]


class CheckFigures(BaseModel):
    """What the last orders would get by the draft and by the active version."""

    orders: int
    changed: Annotated[int, Field(description="that get another outcome")]
    flagged_before: int
    flagged_after: int


class Published(BaseModel):
    """What is active now, and what the check has found."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "version": "94ddd6bac399caae",
                    "candidate": "3372255be29951af",
                    "percent": 10,
                    "replaced": "94ddd6bac399caae",
                    "check": {"orders": 10_000, "changed": 812, "flagged_before": 221, "flagged_after": 1_033},
                }
            ]
        }
    )

    version: str
    candidate: str | None
    percent: int | None
    replaced: Annotated[str | None, Field(description="the version that was active before; null at the first one")]
    check: Annotated[CheckFigures | None, Field(description="null when there was nothing to compare, or no check")]


class ActiveRule(BaseModel):
    """A rule that detectors have."""

    rule: str
    mode: Mode
    severity: str
    score: Annotated[int, Field(description="0-100; 0 of a rule with an outcome")]
    outcome: Annotated[Outcome | None, Field(description="of a rule that decides whatever the score is")]
    description: Annotated[str, Field(description="the sentence of its hits, with `{name}` for values")]
    when: str
    owner: str | None
    tags: list[str]
    notes: str | None
    of_pack: Annotated[bool, Field(description="it belongs to the marketplace pack, not to the ruleset itself")]
    explanation: Annotated[list[str], Field(description="what it does, in sentences")]


class ActiveRules(BaseModel):
    """The rules of the active ruleset, with those of the marketplace pack that detectors add."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "version": "3372255be29951af",
                    "ruleset_version": "0b9a3a1c52f7d6e4",
                    "content": "review_at: 50\n...",
                    "review_at": 50,
                    "decline_at": 90,
                    "items": [
                        {
                            "rule": "foreign-country",
                            "mode": "live",
                            "severity": "medium",
                            "score": 50,
                            "description": "Ordered from {country}.",
                            "when": 'country != "ID"',
                            "tags": [],
                            "of_pack": False,
                            "explanation": ["Rule foreign-country adds 50 to the risk score ..."],
                        }
                    ],
                }
            ]
        }
    )

    version: Annotated[str, Field(description="that is active: what was published")]
    ruleset_version: Annotated[str, Field(description="that decisions name: with the marketplace pack")]
    content: Annotated[str, Field(description="YAML, as it was published")]
    review_at: Annotated[int, Field(description="the risk score from which an order is reviewed")]
    decline_at: int
    items: list[ActiveRule]


class DiagnosticItem(BaseModel):
    """What is wrong at a place, and what to write instead."""

    line: Annotated[int, Field(ge=1)]
    column: Annotated[int, Field(ge=1)]
    severity: Severity
    message: str


class NameItem(BaseModel):
    """A name that conditions may use."""

    name: str
    kind: NameKind
    meaning: Annotated[
        str, Field(description="the type of its value, the value of a parameter, or the field of a list")
    ]


class Diagnostics(BaseModel):
    """What is wrong with a text, and which names it may use."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "version": "3372255be29951af",
                    "diagnostics": [
                        {
                            "line": 6,
                            "column": 11,
                            "severity": "warning",
                            "message": "rule 'wallets' compares payment_method with \"Gopay\", which no order has in "
                            'this spelling; write "GoPay"',
                        }
                    ],
                    "names": [{"name": "amount", "kind": "field", "meaning": "number"}],
                }
            ]
        }
    )

    version: Annotated[str | None, Field(description="of the text; null while it is not a ruleset")]
    diagnostics: list[DiagnosticItem]
    names: Annotated[list[NameItem] | None, Field(description="null while the text is not a ruleset")]


class Preview(BaseModel):
    """What a ruleset would change on the newest orders."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"report": {"orders": 10_000, "changed": 812, "flagged": {"orders": 1_033, "money": {}}}}]
        }
    )

    report: Annotated[dict[str, Any], Field(description="as a backtest's report")]
