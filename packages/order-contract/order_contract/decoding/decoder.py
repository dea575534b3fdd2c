"""The decoder of order events: a fast path for plain messages, and the validating decoder for all others.

Nearly every message is plain: msgspec checks it while it parses, in a tenth of the time that the same checks take in
Python, and compiled code, where there is any, makes the event of it. Any other message, valid or not, goes to the
validating decoder, which alone handles attributes, unusual spellings and error messages. For a plain message both give
the same event, to the last digit.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct
from msgspec.json import Decoder

from order_contract.business_time import is_in_range, to_utc
from order_contract.compiled_modules import require_current
from order_contract.decoding.validating_decoder import canonical_ip, decode_validated
from order_contract.error_types import ErrorType
from order_contract.event import MAX_ID_LENGTH, MAX_INT64, MAX_TEXT_LENGTH, BadEvent, OrderEvent
from order_contract.money import DEFAULT_CURRENCY, MAX_AMOUNT, parse_rupiah
from order_contract.reference_data import COUNTRIES, PaymentMethods

try:
    from order_contract.decoding import plain_orders
except ImportError:
    plain_orders = None  # type: ignore[assignment]
else:
    require_current(plain_orders)

DECODING_IS_COMPILED: Final = plain_orders is not None
DEFAULT_MAX_FUTURE_HOURS: Final = 24.0
MAX_FUTURE_HOURS: Final = 87_600.0  # ten years: more is not a useful bound

_Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID_LENGTH)]
_Text = Annotated[str, Meta(max_length=MAX_TEXT_LENGTH)]
# A fraction of a second beyond microseconds: msgspec rounds it, the validating decoder truncates it.
_LONG_FRACTION = re.compile(rb"\.[0-9]{7}").search


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
    """Decodes message values to events, for one list of payment methods and one bound on times in the future."""

    def __init__(
        self,
        extra_payment_methods: Iterable[str] = (),
        *,
        max_future_hours: float = DEFAULT_MAX_FUTURE_HOURS,
        compiled: bool = DECODING_IS_COMPILED,
    ) -> None:
        self._payment_methods = PaymentMethods(extra_payment_methods)
        self._max_future = timedelta(hours=max_future_hours)
        self._spelling = self._payment_methods.spellings.get
        self._plain = Decoder(_PlainOrder).decode
        self.decode_fast: Callable[[bytes, datetime], OrderEvent | None] = (
            plain_orders.PlainOrders(self._plain, self._payment_methods).decode if compiled else self._decode_plain
        )
        """Gives the event in a message of the plain shape with no time after a latest one, None for any other."""
        # Those of the last message, as whole batches have the same timestamp.
        self._appended_at: datetime | None = None
        self._latest = datetime.max  # noqa: DTZ901  (replaced before it is used)

    def decode(self, value: bytes | None, appended_at: datetime) -> OrderEvent:
        """The event in a message's value that was, or would be, appended to the topic at `appended_at` (aware).

        Raises BadEvent; nothing else, whatever the bytes.
        """
        if not value:
            raise BadEvent(ErrorType.EMPTY, "the message has no value")
        if appended_at is not self._appended_at:
            self._appended_at, self._latest = appended_at, self._latest_after(appended_at)
        event = self.decode_fast(value, self._latest)
        return decode_validated(value, self._payment_methods, self._latest) if event is None else event

    def decode_validated(self, value: bytes, appended_at: datetime) -> OrderEvent:
        """The same event or error, by the validating decoder alone."""
        return decode_validated(value, self._payment_methods, self._latest_after(appended_at))

    def _latest_after(self, appended_at: datetime) -> datetime:
        try:
            return appended_at + self._max_future
        except OverflowError:  # where the bound is far and producers stamp messages themselves
            return datetime.max.replace(tzinfo=UTC)

    def _decode_plain(self, value: bytes, latest: datetime) -> OrderEvent | None:  # noqa: PLR0911  (None where unsure)
        """What `decode_fast` does without compiled code: a change here is one in `plain_orders.pyx`, too."""
        # Only an escape can put a NUL character into JSON, and plain orders have no escapes.
        if b"\\" in value or _LONG_FRACTION(value) is not None:
            return None
        try:
            plain = self._plain(value)
            amount = plain.amount if type(plain.amount) is int else parse_rupiah(plain.amount)  # type: ignore[arg-type]
        except ValueError:
            return None
        # Nearly always a known spelling: one look-up, without a call.
        payment_method = self._spelling(plain.payment_method) or self._payment_methods.canonical(plain.payment_method)
        created, account_created = plain.created_date, plain.account_created_date
        ip_address = plain.ip_address or None
        if ip_address is not None and (ip_address := canonical_ip(ip_address)) is None:
            return None
        shipping_country = plain.shipping_country or None
        if (
            payment_method is None
            or plain.country not in COUNTRIES
            or amount > MAX_AMOUNT
            or not is_in_range(created)
            or (created := to_utc(created)) > latest
            or (shipping_country is not None and shipping_country not in COUNTRIES)
        ):
            return None
        if account_created is not None:
            if not is_in_range(account_created):
                return None
            account_created = to_utc(account_created)
            if account_created > latest:
                return None
        # The same as the constructor, in a third of its time.
        return tuple.__new__(
            OrderEvent,
            (
                plain.order_id,
                plain.user_id,
                plain.product_id,
                plain.quantity,
                amount,
                DEFAULT_CURRENCY,
                payment_method,
                plain.country,
                created,
                plain.device_id or None,
                ip_address,
                plain.voucher_code or None,
                plain.email or None,
                shipping_country,
                account_created,
                None,
            ),
        )
