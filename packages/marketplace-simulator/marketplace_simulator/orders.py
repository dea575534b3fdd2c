"""An order as it is placed, its id, and the message that publishes it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from marketplace_simulator.seeded_random import SeededRandom
from order_contract.money import format_rupiah


@dataclass(frozen=True, slots=True)
class SimulatedOrder:
    """The fields of an order event; `amount` in whole rupiah, times in business time."""

    order_id: str
    user_id: str
    product_id: str
    quantity: int
    amount: int
    payment_method: str
    country: str
    created_date: datetime
    device_id: str
    ip_address: str
    email: str
    account_created_date: datetime
    voucher_code: str | None = None
    shipping_country: str | None = None


def order_value(order: SimulatedOrder, *, amounts_as_text: bool = False) -> bytes:
    """The order as a message's value: JSON, what is None left out.

    `amounts_as_text` writes `Rp.125,000,000` as the seed did, instead of an integer.
    """
    event: dict[str, Any] = {
        "order_id": order.order_id,
        "user_id": order.user_id,
        "product_id": order.product_id,
        "quantity": order.quantity,
        "amount": format_rupiah(order.amount) if amounts_as_text else order.amount,
        "payment_method": order.payment_method,
        "country": order.country,
        "created_date": order.created_date.isoformat(timespec="milliseconds"),
        "device_id": order.device_id,
        "ip_address": order.ip_address,
        "email": order.email,
        "account_created_date": order.account_created_date.isoformat(timespec="seconds"),
    }
    if order.voucher_code is not None:
        event["voucher_code"] = order.voucher_code
    if order.shipping_country is not None:
        event["shipping_country"] = order.shipping_country
    return orjson.dumps(event)


_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_TIME_SHIFTS = (40, 30, 20, 10, 0)
_RANDOM_SHIFTS = (70, 60, 50, 40, 30, 20, 10, 0)


class OrderIds:
    """Order ids that sort by time (ULIDs): 48 bits of milliseconds since 1970, then 80 drawn ones, 26 characters.

    Within one millisecond each id is the one before plus one, so ids made in order of time sort like that.
    """

    def __init__(self, random: SeededRandom) -> None:
        self._random = random
        self._millisecond = -1
        self._prefix = ""
        self._random_bits = 0

    def next(self, millisecond: int) -> str:
        """The next order id, for a time in milliseconds since 1970."""
        if millisecond == self._millisecond:
            self._random_bits += 1
        else:
            self._millisecond = millisecond
            self._prefix = "".join([_PAIRS[millisecond >> shift & 1023] for shift in _TIME_SHIFTS])
            # One bit is left free, so that counting up does not run over.
            self._random_bits = self._random.below(1 << 39) << 40 | self._random.below(1 << 40)
        return self._prefix + "".join([_PAIRS[self._random_bits >> shift & 1023] for shift in _RANDOM_SHIFTS])


class OrderMessage(NamedTuple):
    """One message: `name` identifies it in reports: an order id or a line number.

    `pattern` is the fraud pattern it belongs to, a label that is not published; `created` the time of the event
    where the rate depends on it.
    """

    key: bytes | None
    value: bytes
    name: str
    pattern: str | None = None
    created: datetime | None = None
