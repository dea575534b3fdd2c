"""Request bodies of labels."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator

from order_api.kit.query_parameters import NO_NUL, Identifier
from order_contract.label import MAX_NOTE_LENGTH, REASONS, Label, LabelReason


class NewLabel(BaseModel):
    """A verdict on an order."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"label": "fraud", "reason": "stolen-card", "note": "as the bank says"}]},
    )

    label: Label
    source: Annotated[Identifier, Field(description="what kind of process it comes from")] = "analyst"
    note: Annotated[
        Annotated[str, StringConstraints(max_length=MAX_NOTE_LENGTH, pattern=NO_NUL)] | None,
        Field(description="why; an empty one counts as none"),
    ] = None
    reason: Annotated[LabelReason | None, Field(description="of the reasons that the label can have")] = None

    @field_validator("reason")
    @classmethod
    def _check_reason(cls, reason: LabelReason | None, info: ValidationInfo) -> LabelReason | None:
        label = info.data.get("label")
        if reason is None or label is None or reason in REASONS[label]:
            return reason
        raise ValueError(f"is not a reason of a {label} label: write {', '.join(REASONS[label])}")
