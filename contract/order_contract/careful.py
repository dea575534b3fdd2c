"""The careful way of decoding: everything that an order may be, and for bad data the error in words."""

import socket
from datetime import datetime
from typing import Any

import orjson

from order_contract.business_time import parse_moment
from order_contract.codes import COUNTRIES, CURRENCIES, PaymentMethods
from order_contract.event import MAX_ID_LENGTH, MAX_INT64, MAX_TEXT_LENGTH, BadEvent, OrderEvent, readable_id
from order_contract.money import DEFAULT_CURRENCY, MAX_AMOUNT, parse_rupiah

MAX_NESTING = 100

_FIELDS = frozenset(OrderEvent._fields) - {"attributes"}


def decode_carefully(value: bytes, payment_methods: PaymentMethods) -> OrderEvent:
    """The event in a message's value. Raises BadEvent; nothing else, whatever the bytes."""
    try:
        raw = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise BadEvent("not-json", f"not JSON: {error}") from None
    if type(raw) is not dict:
        raise BadEvent("not-an-object", f"a JSON object is expected, got {_show(raw)}")
    try:
        return _event(raw, payment_methods)
    except BadEvent as error:
        error.order_id = readable_id(raw.get("order_id"))
        raise


def _event(raw: dict[str, Any], payment_methods: PaymentMethods) -> OrderEvent:
    _refuse_nul(raw)
    currency = DEFAULT_CURRENCY if raw.get("currency") is None else _currency(raw)

    def optional(field: str) -> bool:
        return raw.get(field) is not None

    return OrderEvent(
        order_id=_text(raw, "order_id", MAX_ID_LENGTH),
        user_id=_text(raw, "user_id", MAX_ID_LENGTH),
        product_id=_text(raw, "product_id", MAX_ID_LENGTH),
        quantity=_quantity(raw),
        amount=_amount(raw, currency),
        currency=currency,
        payment_method=_payment_method(raw, payment_methods),
        country=_country(raw, "country"),
        created_date=_moment(raw, "created_date"),
        device_id=_text(raw, "device_id", MAX_TEXT_LENGTH) if optional("device_id") else None,
        ip_address=_ip_address(raw) if optional("ip_address") else None,
        voucher_code=_text(raw, "voucher_code", MAX_TEXT_LENGTH) if optional("voucher_code") else None,
        email=_text(raw, "email", MAX_TEXT_LENGTH) if optional("email") else None,
        shipping_country=_country(raw, "shipping_country") if optional("shipping_country") else None,
        account_created_date=_account_moment(raw) if optional("account_created_date") else None,
        attributes=None if raw.keys() <= _FIELDS else _attributes(raw),
    )


def _text(raw: dict[str, Any], field: str, longest: int) -> str:
    value = raw.get(field)
    if type(value) is not str or not 0 < len(value) <= longest:
        raise _bad(raw, field, f"must be text of 1 to {longest} characters")
    return value


def _quantity(raw: dict[str, Any]) -> int:
    value = raw.get("quantity")
    if type(value) is not int or not 0 < value <= MAX_INT64:
        raise _bad(raw, "quantity", "must be an integer of at least 1")
    return value


def _payment_method(raw: dict[str, Any], known: PaymentMethods) -> str:
    value = raw.get("payment_method")
    name = known.canonical(value) if type(value) is str else None
    if name is None:
        raise _bad(raw, "payment_method", "must be one of " + ", ".join(sorted(known.names)))
    return name


def _country(raw: dict[str, Any], field: str) -> str:
    value = raw.get(field)
    code = value.upper() if type(value) is str and value.isascii() else ""
    if code not in COUNTRIES:
        raise _bad(raw, field, "must be an ISO 3166 alpha-2 code")
    return code


def _currency(raw: dict[str, Any]) -> str:
    value = raw["currency"]
    code = value.upper() if type(value) is str and value.isascii() else ""
    if code not in CURRENCIES:
        raise _bad(raw, "currency", "must be an ISO 4217 code")
    return code


def _amount(raw: dict[str, Any], currency: str) -> int:
    value = raw.get("amount")
    if type(value) is int and 0 <= value <= MAX_AMOUNT:
        return value
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


def _account_moment(raw: dict[str, Any]) -> datetime:
    """As any moment, but a bare date will do: it is midnight in business time."""
    value = raw["account_created_date"]
    if type(value) is str and len(value) == len("2026-11-22"):
        raw = {**raw, "account_created_date": f"{value}T00:00"}
    return _moment(raw, "account_created_date")


def _moment(raw: dict[str, Any], field: str) -> datetime:
    value = raw.get(field)
    if type(value) is not str or len(value) > MAX_ID_LENGTH:
        raise _bad(raw, field, "must be an ISO 8601 date and time")
    try:
        return parse_moment(value)
    except ValueError as error:
        raise _bad(raw, field, f"must be an ISO 8601 date and time: {error}") from None


def _ip_address(raw: dict[str, Any]) -> str:
    value = raw["ip_address"]
    address = canonical_ip(value) if type(value) is str else None
    if address is None:
        raise _bad(raw, "ip_address", "must be an IPv4 or IPv6 address")
    return address


def canonical_ip(text: str) -> str | None:
    """An IPv4 or IPv6 address in its shortest spelling, None when it is none."""
    try:
        # The C library's: a tenth of the time that `ipaddress` takes. It admits one spelling of an IPv4 address.
        if ":" not in text:
            socket.inet_pton(socket.AF_INET, text)
            return text
        return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, text))
    except (OSError, ValueError):
        return None


def _attributes(raw: dict[str, Any]) -> dict[str, Any]:
    attributes = {name: value for name, value in raw.items() if name not in _FIELDS}
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
