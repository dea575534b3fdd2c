"""Decoding a message to an order event.

Nearly every message has the plain shape, which msgspec checks while it parses, in a tenth of the time that the same
checks take in Python. Whatever is not plain, good or bad, goes the careful way, which alone knows attributes, unusual
spellings, and errors in words.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.json import Decoder

from order_contract.business_time import is_in_range, to_utc
from order_contract.careful import canonical_ip, decode_carefully
from order_contract.codes import COUNTRIES, PaymentMethods
from order_contract.event import MAX_ID_LENGTH, MAX_INT64, MAX_TEXT_LENGTH, BadEvent, OrderEvent
from order_contract.money import DEFAULT_CURRENCY, MAX_AMOUNT, parse_rupiah

_Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID_LENGTH)]
_Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT_LENGTH)]


class _PlainOrder(Struct, forbid_unknown_fields=True, gc=False):
    order_id: _Id
    user_id: _Id
    product_id: _Id
    quantity: Annotated[int, Meta(ge=1, le=MAX_INT64)]
    amount: Annotated[int, Meta(ge=0, le=MAX_AMOUNT)] | str
    payment_method: str
    country: str
    created_date: datetime
    currency: Literal["IDR"] | None = None
    device_id: _Text | None = None
    ip_address: str | None = None
    voucher_code: _Text | None = None
    email: _Text | None = None
    shipping_country: str | None = None
    account_created_date: datetime | None = None


class EventDecoder:
    """Decodes message values to events, for one list of payment methods."""

    def __init__(self, extra_payment_methods: Iterable[str] = ()) -> None:
        self._payment_methods = PaymentMethods(extra_payment_methods)
        self._plain = Decoder(_PlainOrder).decode

    def decode(self, value: bytes | None) -> OrderEvent:
        """The event in a message's value. Raises BadEvent; nothing else, whatever the bytes."""
        if not value:
            raise BadEvent("empty", "the message has no value")
        event = self._decode_plain(value)
        return decode_carefully(value, self._payment_methods) if event is None else event

    def _decode_plain(self, value: bytes) -> OrderEvent | None:
        """The event in a message of the plain shape, None for any other."""
        # Only an escape can bring a NUL character into JSON, and plain orders have no escapes.
        if b"\\" in value:
            return None
        try:
            plain = self._plain(value)
            amount = plain.amount if type(plain.amount) is int else parse_rupiah(plain.amount)  # type: ignore[arg-type]
        except ValueError:
            return None
        payment_method = self._payment_methods.canonical(plain.payment_method)
        created, account_created = plain.created_date, plain.account_created_date
        ip_address = plain.ip_address
        if ip_address is not None and (ip_address := canonical_ip(ip_address)) is None:
            return None
        if (
            payment_method is None
            or plain.country not in COUNTRIES
            or amount > MAX_AMOUNT
            or not is_in_range(created)
            or (plain.shipping_country is not None and plain.shipping_country not in COUNTRIES)
            or (account_created is not None and not is_in_range(account_created))
        ):
            return None
        return OrderEvent(
            plain.order_id,
            plain.user_id,
            plain.product_id,
            plain.quantity,
            amount,
            DEFAULT_CURRENCY,
            payment_method,
            plain.country,
            to_utc(created),
            plain.device_id,
            ip_address,
            plain.voucher_code,
            plain.email,
            plain.shipping_country,
            None if account_created is None else to_utc(account_created),
            None,
        )
