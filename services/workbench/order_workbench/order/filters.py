"""Query parameters and forms of the order's page."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from order_api.kit.query_parameters import Identifier
from order_contract.label import MAX_NOTE_LENGTH, Label


class OrderPage(BaseModel):
    """Which order."""

    model_config = ConfigDict(extra="forbid")

    id: Identifier


class LabelForm(BaseModel):
    """A verdict on an order."""

    model_config = ConfigDict(extra="forbid")

    id: Identifier
    label: Label
    note: Annotated[str, StringConstraints(max_length=MAX_NOTE_LENGTH, pattern=r"^[^\x00]*$"), Field()] = ""
