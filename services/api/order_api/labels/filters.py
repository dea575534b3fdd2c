"""Request bodies of labels."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from order_api.kit.query_parameters import Identifier
from order_contract.label import MAX_NOTE_LENGTH, Label


class NewLabel(BaseModel):
    """A verdict on an order."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"label": "fraud", "note": "the card was stolen"}]}
    )

    label: Label
    source: Annotated[Identifier, Field(description="what kind of process it comes from")] = "analyst"
    note: Annotated[
        Annotated[str, StringConstraints(max_length=MAX_NOTE_LENGTH, pattern=r"^[^\x00]*$")] | None,
        Field(description="why; an empty one counts as none"),
    ] = None
