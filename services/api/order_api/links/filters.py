"""Query parameters of `/v1/links`."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from order_api.kit.query_parameters import DIGITS_ONLY, Text


class LinkKind(StrEnum):
    """Where a search for links can begin."""

    ORDER = "order"
    USER = "user"
    DEVICE = "device"
    ADDRESS = "address"
    VOUCHER = "voucher"


class LinkParameters(BaseModel):
    """Where to begin, and how far to go."""

    model_config = ConfigDict(extra="forbid")

    kind: Annotated[LinkKind, Field(description="of what the search begins at")]
    id: Annotated[Text, Field(description="the order's id, or the value as orders have it")]
    depth: Annotated[int, Field(ge=1, le=4, description="steps from there"), DIGITS_ONLY] = 2
