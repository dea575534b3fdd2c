"""Request body of `POST /v1/decide`."""

from typing import Annotated, Any, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from order_api.kit.query_parameters import HyphenatedName, RulesetVersion

_ORDER: Final[dict[str, Any]] = {
    "user_id": "U-1042",
    "product_id": "P-7",
    "quantity": 2,
    "amount": "Rp.350,000,000",
    "payment_method": "Credit Card",
    "country": "SG",
    "created_date": "2026-11-22T10:15:00",
}


class StoredVersion(BaseModel):
    """A ruleset that is stored."""

    model_config = ConfigDict(extra="forbid")

    version: RulesetVersion


class Draft(BaseModel):
    """A ruleset that is not stored."""

    model_config = ConfigDict(extra="forbid")

    draft: Annotated[str, Field(description="YAML; it includes no files")]


class SavedDraft(BaseModel):
    """A draft that is saved: `GET /v1/rulesets/drafts` lists them."""

    model_config = ConfigDict(extra="forbid")

    draft_name: HyphenatedName


RulesetChoice: TypeAlias = StoredVersion | Draft | SavedDraft


class Question(BaseModel):
    """An order, and optionally the ruleset that decides it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"order": _ORDER}]})

    order: Annotated[
        dict[str, Any],
        Field(
            description="as on topic `orders`; `order_id` may be left out. A stored one is decided as if it were not"
        ),
    ]
    ruleset: Annotated[RulesetChoice | None, Field(description="left out: the one that decided the newest order")] = (
        None
    )
