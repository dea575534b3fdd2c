"""Which orders a listing holds, and where in it a page starts."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

# The years 1970 to 9998, which an order can be placed in, wherever its clock stands.
EARLIEST: Final = datetime(1969, 12, 31, tzinfo=UTC)
LATEST: Final = datetime(9999, 1, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """Which orders; None asks for nothing. All must hold."""

    flagged: bool | None = None
    user_id: str | None = None
    product_id: str | None = None
    rule: str | None = None
    outcome: str | None = None
    status: str | None = None
    country: str | None = None
    payment_method: str | None = None
    device_id: str | None = None
    ip_address: str | None = None
    currency: str | None = None
    min_amount: int | None = None
    max_amount: int | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None


class Position(NamedTuple):
    """Where an order stands in a listing."""

    created_date: datetime
    order_id: str
