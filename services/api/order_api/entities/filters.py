"""Path and query parameters of `/v1/entities/{kind}`."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from order_api.kit.query_parameters import Text


class EntityKind(StrEnum):
    """What orders have in common."""

    USER = "user"
    DEVICE = "device"
    ADDRESS = "address"
    VOUCHER = "voucher"
    PRODUCT = "product"


FIELDS: Final[Mapping[EntityKind, str]] = {
    EntityKind.USER: "user_id",
    EntityKind.DEVICE: "device_id",
    EntityKind.ADDRESS: "ip_address",
    EntityKind.VOUCHER: "voucher_code",
    EntityKind.PRODUCT: "product_id",
}
"""The order field of each kind: its column in table `orders`, and its filter in listings."""

Kind = Annotated[EntityKind, Path(description="of the entity")]


class EntityParameters(BaseModel):
    """Which entity of its kind."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[Text, Field(description="the value, as orders have it")]
