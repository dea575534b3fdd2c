"""Path and query parameters and request bodies of `/v1/rulesets`."""

from typing import Annotated, Final

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from decision_engine.rollout import EVERYONE
from order_api.kit.pagination import CursorText
from order_api.kit.query_parameters import HyphenatedName, Limit, QueryParam, RulesetVersion

MAX_MESSAGE: Final = 1_000

DraftName = Annotated[HyphenatedName, Path(description="of the draft: lower-case words joined by `-`")]
Message = Annotated[str, StringConstraints(pattern=r"^[^\x00]*[^\x00\s][^\x00]*$", max_length=MAX_MESSAGE)]


class DraftParameters(BaseModel):
    """Parameters of the list of drafts."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[Limit, Field(description="drafts on a page")] = 50
    cursor: Annotated[QueryParam[CursorText], Field(description="`next` of the page before")] = None


class DraftContent(BaseModel):
    """The content of a draft."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "content": "review_at: 50\ndecline_at: 90\nrules:\n  - {id: large, description: large, "
                    "when: amount > 10_000_000, score: 50, severity: low}\n",
                    "message": "wallets above 10 million",
                }
            ]
        },
    )

    content: Annotated[str, Field(description="YAML; it includes no files")]
    message: Annotated[Message | None, Field(description="what it is for")] = None


class RulesetText(BaseModel):
    """A ruleset that is being written."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"content": "review_at: 50\ndecline_at: 90\nrules: []\n"}]}
    )

    content: Annotated[str, Field(description="YAML; it includes no files")]


class Approval(BaseModel):
    """What is approved."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"version": "3372255be29951af"}]})

    version: Annotated[RulesetVersion, Field(description="of the draft as it was looked at")]


class Publication(BaseModel):
    """How a draft is published."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"version": "3372255be29951af", "percent": 10, "confirm": "812"}]},
    )

    version: Annotated[RulesetVersion, Field(description="of the draft as it was looked at")]
    percent: Annotated[
        Annotated[int, Field(ge=1, le=EVERYONE, strict=True)],
        Field(description="of the users whose orders it decides; below 100 as a candidate beside the active version"),
    ] = EVERYONE
    confirm: Annotated[
        Annotated[str, StringConstraints(pattern="^(?:[0-9]{1,7}|unchecked)$")] | None,
        Field(description="how many outcomes change, when `confirmation-needed` has named it; `unchecked`: no check"),
    ] = None
    message: Annotated[Message | None, Field(description="why; left out: that of the draft")] = None


class RolloutChange(BaseModel):
    """How far the candidate is rolled out."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"candidate": "3372255be29951af", "percent": 50}]}
    )

    candidate: Annotated[RulesetVersion, Field(description="that is rolled out, as it was looked at")]
    percent: Annotated[
        Annotated[int, Field(ge=1, le=EVERYONE, strict=True)],
        Field(description="of the users whose orders it decides; 100: it is the active version then"),
    ]
    message: Annotated[Message | None, Field(description="why")] = None


class Rollback(BaseModel):
    """What becomes active again."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"message": "false alarms"}]})

    version: Annotated[
        RulesetVersion | None,
        Field(description="that was active; left out: the one before, or during a roll-out the one without candidate"),
    ] = None
    message: Annotated[Message | None, Field(description="why")] = None
