"""Request body of `POST /v1/decide`."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

_ORDER: Final[dict[str, Any]] = {
    "user_id": "U-1042",
    "product_id": "P-7",
    "quantity": 2,
    "amount": "Rp.350,000,000",
    "payment_method": "Credit Card",
    "country": "SG",
    "created_date": "2026-11-22T10:15:00",
}


class Question(BaseModel):
    """An order, and optionally the ruleset that decides it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"order": _ORDER}]})

    order: Annotated[
        dict[str, Any],
        Field(
            description="as on topic `orders`; `order_id` may be left out. A stored one is decided as if it were not"
        ),
    ]
    ruleset_version: Annotated[
        Annotated[str, StringConstraints(pattern="^[0-9a-f]{16}$")] | None,
        Field(description="of a stored ruleset; left out: the one that decided the newest order"),
    ] = None
    ruleset: Annotated[
        Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\x00]*$")] | None,
        Field(description="a draft, as YAML; it includes no files"),
    ] = None

    @model_validator(mode="after")
    def _one_ruleset(self) -> "Question":
        if self.ruleset is not None and self.ruleset_version is not None:
            raise ValueError("has both ruleset and ruleset_version; send one of them")
        return self
