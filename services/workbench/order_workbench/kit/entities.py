"""Kinds of entities as pages name them."""

from collections.abc import Mapping
from typing import Final

from order_api.entities.filters import EntityKind

TITLES: Final[Mapping[EntityKind, str]] = {
    EntityKind.USER: "User",
    EntityKind.DEVICE: "Device",
    EntityKind.ADDRESS: "Address",
    EntityKind.VOUCHER: "Voucher",
    EntityKind.PRODUCT: "Product",
}
