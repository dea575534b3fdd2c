"""The order event: what a message on topic `orders` means, and what makes one bad data.

`EventDecoder.decode` is on the hot path of the detector: plain checks on the parsed JSON, and the one costly
thing, a careful error, is made only when a check fails.
"""

import hashlib
import ipaddress
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from order_contract.business_time import parse_moment
from order_contract.codes import COUNTRIES, CURRENCIES, PAYMENT_METHODS
from order_contract.money import DEFAULT_CURRENCY, MAX_AMOUNT, parse_rupiah

MAX_ID_LENGTH = 64
MAX_TEXT_LENGTH = 320  # the longest e-mail address; also for device and voucher
MAX_NESTING = 100
MAX_SPELLINGS = 1_000
MAX_KNOWN = 20_000
MAX_INT64 = 2**63 - 1

_EXPECTED_ID = f"must be text of 1 to {MAX_ID_LENGTH} characters"
_EXPECTED_TEXT = f"must be text of 1 to {MAX_TEXT_LENGTH} characters, or left out"


class BadEvent(ValueError):
    """A message that is not an order event: bad data, for the dead-letter topic.

    `error_type` is a stable code (docs/errors.md), `field` the field at fault or None, `order_id` the order it
    claims to be where that much could be read. The text names field and value for a person.
    """

    def __init__(self, error_type: str, message: str, *, field: str | None = None, order_id: str | None = None) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.field = None if field is None else field[:MAX_ID_LENGTH]
        self.order_id = order_id


class OrderEvent(NamedTuple):
    """One order as placed, normalised; the fields are columns of table `orders`, in this order.

    `amount` counts the currency's everyday smallest unit; times are in UTC; `attributes` holds what the contract
    does not know, None when there is nothing.
    """

    order_id: str
    user_id: str
    product_id: str
    quantity: int
    amount: int
    currency: str
    payment_method: str
    country: str
    created_date: datetime
    device_id: str | None
    ip_address: str | None
    voucher_code: str | None
    email: str | None
    shipping_country: str | None
    account_created_date: datetime | None
    attributes: dict[str, Any] | None


FIELDS = frozenset(OrderEvent._fields) - {"attributes"}
# How many fields every order has: with no more than those there is nothing optional to look for.
_REQUIRED = 8


def fingerprint(event: OrderEvent) -> str:
    """32 hex characters, equal exactly when two normalised events are: tells a conflict from a duplicate."""
    return hashlib.blake2b(orjson.dumps(tuple(event), option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


class EventDecoder:
    """Decodes message values to events, for one list of payment methods."""

    def __init__(self, extra_payment_methods: Iterable[str] = ()) -> None:
        self._payment_methods = {name.casefold(): name for name in (*PAYMENT_METHODS, *extra_payment_methods)}
        # Spellings as they arrive; a handful in practice, so the common case is one look-up.
        self._spellings = {name: name for name in self._payment_methods.values()}

    def decode(self, value: bytes | None) -> OrderEvent:
        """The event in a message's value. Raises BadEvent; nothing else, whatever the bytes."""
        if not value:
            raise BadEvent("empty", "the message has no value")
        try:
            raw = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise BadEvent("not-json", f"not JSON: {error}") from None
        if type(raw) is not dict:
            raise BadEvent("not-an-object", f"a JSON object is expected, got {_show(raw)}")
        try:
            return self._event(raw, may_hold_nul=b"\\" in value and b"\\u0000" in value)
        except BadEvent as error:
            error.order_id = readable_id(raw.get("order_id"))
            raise

    def _event(self, raw: dict[str, Any], *, may_hold_nul: bool) -> OrderEvent:
        """The event in a parsed object. What almost every order has is checked inline: a call a field costs as much."""
        if may_hold_nul:
            _refuse_nul(raw)
        get = raw.get
        order_id, user_id, product_id = get("order_id"), get("user_id"), get("product_id")
        if type(order_id) is not str or not 0 < len(order_id) <= MAX_ID_LENGTH:
            raise _bad(raw, "order_id", _EXPECTED_ID)
        if type(user_id) is not str or not 0 < len(user_id) <= MAX_ID_LENGTH:
            raise _bad(raw, "user_id", _EXPECTED_ID)
        if type(product_id) is not str or not 0 < len(product_id) <= MAX_ID_LENGTH:
            raise _bad(raw, "product_id", _EXPECTED_ID)
        quantity = get("quantity")
        if type(quantity) is not int or not 0 < quantity <= MAX_INT64:
            raise _bad(raw, "quantity", "must be an integer of at least 1")
        currency = DEFAULT_CURRENCY if get("currency") is None else _currency(raw)
        amount = get("amount")
        if type(amount) is not int or not 0 <= amount <= MAX_AMOUNT:
            amount = _amount_from_text(raw, currency)
        payment_method = get("payment_method")
        if type(payment_method) is not str or (payment_method := self._spellings.get(payment_method)) is None:
            payment_method = self._payment_method(raw)
        country = get("country")
        if type(country) is not str or country not in COUNTRIES:
            country = _country(raw, "country")
        created_date = _moment(raw, "created_date")
        if len(raw) == _REQUIRED:
            return OrderEvent(
                order_id, user_id, product_id, quantity, amount, currency, payment_method, country, created_date,
                None, None, None, None, None, None, None,
            )  # fmt: skip
        device_id, voucher_code, email = get("device_id"), get("voucher_code"), get("email")
        if device_id is not None and (type(device_id) is not str or not 0 < len(device_id) <= MAX_TEXT_LENGTH):
            raise _bad(raw, "device_id", _EXPECTED_TEXT)
        if voucher_code is not None and (type(voucher_code) is not str or not 0 < len(voucher_code) <= MAX_TEXT_LENGTH):
            raise _bad(raw, "voucher_code", _EXPECTED_TEXT)
        if email is not None and (type(email) is not str or not 0 < len(email) <= MAX_TEXT_LENGTH):
            raise _bad(raw, "email", _EXPECTED_TEXT)
        return OrderEvent(
            order_id,
            user_id,
            product_id,
            quantity,
            amount,
            currency,
            payment_method,
            country,
            created_date,
            device_id,
            None if get("ip_address") is None else _ip_address(raw),
            voucher_code,
            email,
            None if get("shipping_country") is None else _country(raw, "shipping_country"),
            None if get("account_created_date") is None else _moment(raw, "account_created_date", _known_moment),
            None if raw.keys() <= FIELDS else _attributes(raw),
        )

    def _payment_method(self, raw: dict[str, Any]) -> str:
        given = raw.get("payment_method")
        if type(given) is str:
            known = self._payment_methods.get(given.strip().casefold())
            if known is not None:
                if len(self._spellings) < MAX_SPELLINGS:
                    self._spellings[given] = known
                return known
        expected = "must be one of " + ", ".join(sorted(self._payment_methods.values()))
        raise _bad(raw, "payment_method", expected)


def readable_id(value: object) -> str | None:
    """`value` when it could stand as an identifier, else None."""
    if type(value) is str and 0 < len(value) <= MAX_ID_LENGTH and "\0" not in value:
        return value
    return None


def _country(raw: dict[str, Any], field: str) -> str:
    value = raw.get(field)
    code = value.upper() if type(value) is str and len(value) == 2 else ""
    if code not in COUNTRIES:
        raise _bad(raw, field, "must be an ISO 3166 alpha-2 code")
    return code


def _currency(raw: dict[str, Any]) -> str:
    value = raw["currency"]
    code = value.upper() if type(value) is str and len(value) == 3 else ""
    if code not in CURRENCIES:
        raise _bad(raw, "currency", "must be an ISO 4217 code")
    return code


def _amount_from_text(raw: dict[str, Any], currency: str) -> int:
    value = raw.get("amount")
    expected = f"must be an integer from 0 to {MAX_AMOUNT}, or text like 'Rp.125,000,000'"
    if type(value) is not str:
        raise _bad(raw, "amount", expected)
    if currency != DEFAULT_CURRENCY:
        raise _bad(raw, "amount", f"must be an integer when the currency is {currency}")
    try:
        amount = parse_rupiah(value)
    except ValueError:
        raise _bad(raw, "amount", expected) from None
    if amount > MAX_AMOUNT:
        raise _bad(raw, "amount", expected)
    return amount


def _moment(raw: dict[str, Any], field: str, parse: Callable[[str], datetime] = parse_moment) -> datetime:
    value = raw.get(field)
    if type(value) is not str or len(value) > MAX_ID_LENGTH:
        raise _bad(raw, field, "must be an ISO 8601 date and time")
    try:
        return parse(value)
    except ValueError as error:
        raise _bad(raw, field, f"must be an ISO 8601 date and time: {error}") from None


# Customers come back, and with them the moment of their first coming and their address.
_known_moment = lru_cache(maxsize=MAX_KNOWN)(parse_moment)


def _ip_address(raw: dict[str, Any]) -> str:
    value = raw["ip_address"]
    canonical = _canonical_ip(value) if type(value) is str and len(value) <= MAX_ID_LENGTH else None
    if canonical is None:
        raise _bad(raw, "ip_address", "must be an IPv4 or IPv6 address")
    return canonical


@lru_cache(maxsize=MAX_KNOWN)
def _canonical_ip(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _attributes(raw: dict[str, Any]) -> dict[str, Any]:
    attributes = {name: value for name, value in raw.items() if name not in FIELDS}
    for name, value in attributes.items():
        _refuse_unstorable(name[:MAX_ID_LENGTH], value, 0)
    return attributes


def _refuse_unstorable(field: str, value: object, depth: int) -> None:
    """Integers that no 64-bit column holds, and nesting that no JSON writer or database follows."""
    if type(value) is int:
        if not -MAX_INT64 <= value <= MAX_INT64:
            raise BadEvent("out-of-range", f"{field} holds an integer beyond 64 bits: {_show(value)}", field=field)
    elif type(value) is float:
        # The parser turns integers beyond 64 bits into floats: refused rather than kept inexactly.
        if abs(value) > MAX_INT64:
            raise BadEvent("out-of-range", f"{field} holds a number beyond 64 bits: {_show(value)}", field=field)
    elif isinstance(value, (dict, list)):
        if depth == MAX_NESTING:
            raise BadEvent("out-of-range", f"{field} is nested deeper than {MAX_NESTING} levels", field=field)
        for child in value.values() if isinstance(value, dict) else value:
            _refuse_unstorable(field, child, depth + 1)


def _refuse_nul(raw: dict[str, Any]) -> None:
    """Postgres stores no NUL character, in no text and in no JSON."""
    for field, value in raw.items():
        pending = [field, value]
        while pending:
            item = pending.pop()
            if isinstance(item, str) and "\0" in item:
                name = field[:MAX_ID_LENGTH].replace("\0", "\\u0000")
                raise BadEvent("not-storable", f"{name} holds a NUL character, which no database stores", field=name)
            if isinstance(item, dict):
                pending.extend(item.keys())
                pending.extend(item.values())
            elif isinstance(item, list):
                pending.extend(item)


def _bad(raw: dict[str, Any], field: str, expected: str) -> BadEvent:
    if field not in raw:
        return BadEvent("missing-field", f"{field} is missing; it {expected}", field=field)
    return BadEvent("bad-value", f"{field} {expected}, got {_show(raw[field])}", field=field)


def _show(value: object, limit: int = 120) -> str:
    """A value as JSON for an error text, cut to `limit` characters: bad values can be megabytes."""
    try:
        # Python writes large integers in full and refuses beyond some thousand digits; JSON input cannot hold those.
        text = value[: limit + 1] if isinstance(value, str) else value
        shown = orjson.dumps(text).decode()
    except (TypeError, ValueError):  # nested too deeply, or an integer beyond 64 bits
        shown = f"a {type(value).__name__}"
    return shown if len(shown) <= limit else f"{shown[:limit]}... (cut)"
