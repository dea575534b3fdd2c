"""What erasing a user replaces, the same in Postgres and in the raw tables, so that both still agree afterwards.

Amounts, products, times and decisions stay: the books need them. What identifies the person, or may, is replaced.
"""

from collections.abc import Mapping
from typing import Final

from order_batch.warehouse.tables import ROW_HASH

ERASED: Final = "erased"
"""In place of texts that must not be null."""

ORDER_VALUES: Final[Mapping[str, str | None]] = {
    "email": None, "device_id": None, "ip_address": None, "account_created_date": None, "attributes": None,
    "features": "{}",
}  # fmt: skip
USER_VALUES: Final[Mapping[str, str | None]] = dict.fromkeys(("first_name", "last_name", "email", "city"), ERASED)
HIT_VALUES: Final[Mapping[str, str | None]] = {"reason": ERASED}


def assignments(values: Mapping[str, str | None]) -> str:
    """The SET clause of an UPDATE, the same in all three dialects."""
    return ", ".join(f"{name} = {'NULL' if value is None else repr(value)}" for name, value in values.items())


def raw_assignments(values: Mapping[str, str | None]) -> str:
    """The SET clause for a raw table: its hashes are those of the former values, so builds have to compute them."""
    return assignments({**values, ROW_HASH.name: None})
