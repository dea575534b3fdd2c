"""The validating decoder: decodes every valid form of an order event, and reports all faults of an invalid one."""

import math
import socket
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson

from order_contract.business_time import parse_moment
from order_contract.decoding.envelopes import describe_envelope, describe_other_json, similar_name
from order_contract.decoding.invalid_json import describe_invalid_json
from order_contract.decoding.moment_text import EXAMPLE, describe_far_future, describe_invalid_moment
from order_contract.error_types import ErrorType
from order_contract.event import FIELDS, MAX_ID_LENGTH, MAX_INT64, MAX_TEXT_LENGTH, BadEvent, OrderEvent, readable_id
from order_contract.money import DEFAULT_CURRENCY, MAX_AMOUNT, parse_rupiah
from order_contract.nearest import nearest_country, nearest_currency
from order_contract.reference_data import COUNTRIES, CURRENCIES, MAX_PAYMENT_METHOD_LENGTH, PaymentMethods

MAX_NESTING = 100
MAX_ERROR_LENGTH: Final = 1_000
# Attributes have any names, and a message may have any number of them.
_MAX_ATTRIBUTE_FAULTS: Final = 5
_ORDER_OF_FIELDS: Final = {name: place for place, name in enumerate(OrderEvent._fields)}
_OPTIONAL_TEXTS: Final = ("currency", "device_id", "ip_address", "voucher_code", "email", "shipping_country",
                          "account_created_date")  # fmt: skip
_NO_TIME: Final = datetime.min  # noqa: DTZ901  (replaces a moment that is at fault, and is never returned)


def decode_validated(value: bytes, payment_methods: PaymentMethods, latest: datetime) -> OrderEvent:
    """The event in a message's value, none of its times after `latest`. Raises BadEvent and nothing else."""
    try:
        raw = orjson.loads(value)
    except orjson.JSONDecodeError:
        raise describe_invalid_json(value) from None
    if type(raw) is not dict:
        raise BadEvent(
            ErrorType.NOT_AN_OBJECT, f"a JSON object is expected, got {show_value(raw)}: {describe_other_json(raw)}"
        )
    return _Validator(raw, payment_methods, latest).event(may_hold_nul=b"\\u0000" in value)


class Fault(NamedTuple):
    """One thing that is wrong with a message."""

    error_type: ErrorType
    field: str
    text: str


class _Validator:
    """Reads the fields of one message and collects what is wrong with them.

    A field at fault gives a placeholder of its type, which is not returned, as the message is rejected in the end.
    """

    def __init__(self, raw: dict[str, Any], payment_methods: PaymentMethods, latest: datetime) -> None:
        self._raw = raw
        self._payment_methods = payment_methods
        self._latest = latest
        self._faults: dict[str, Fault] = {}

    def event(self, *, may_hold_nul: bool) -> OrderEvent:
        """The event. Raises BadEvent with all faults."""
        raw = self._raw
        if may_hold_nul:
            self._find_nul()
        currency = self._currency()
        event = OrderEvent(
            order_id=self._text("order_id", MAX_ID_LENGTH),
            user_id=self._text("user_id", MAX_ID_LENGTH),
            product_id=self._text("product_id", MAX_ID_LENGTH),
            quantity=self._quantity(),
            amount=self._amount(currency),
            currency=currency,
            payment_method=self._payment_method(),
            country=self._country("country"),
            created_date=self._moment("created_date", raw.get("created_date")),
            device_id=self._text("device_id", MAX_TEXT_LENGTH) if self._given("device_id") else None,
            ip_address=self._ip_address() if self._given("ip_address") else None,
            voucher_code=self._text("voucher_code", MAX_TEXT_LENGTH) if self._given("voucher_code") else None,
            email=self._text("email", MAX_TEXT_LENGTH) if self._given("email") else None,
            shipping_country=self._country("shipping_country") if self._given("shipping_country") else None,
            account_created_date=self._account_moment() if self._given("account_created_date") else None,
            attributes=None if raw.keys() <= FIELDS else self._attributes(),
        )
        if self._faults:
            raise self._error()
        return event

    # ---- the fields

    def _given(self, field: str) -> bool:
        """Whether an optional field has a value: null and empty text are the same as left out."""
        value = self._raw.get(field)
        return value is not None and value != ""

    def _text(self, field: str, longest: int) -> str:
        value = self._raw.get(field)
        if type(value) is str and 0 < len(value) <= longest:
            return value
        hint = None
        if type(value) is str and value:
            hint = f"it has {len(value):,} characters"
        elif type(value) is int and len(str(value)) <= longest:
            hint = f'write it as text, "{value}"'
        self._bad(field, f"must be text of 1 to {longest} characters", hint)
        return ""

    def _quantity(self) -> int:
        value = self._raw.get("quantity")
        if type(value) is int and 0 < value <= MAX_INT64:
            return value
        self._bad("quantity", "must be an integer of at least 1", _integer_hint(value))
        return 0

    def _amount(self, currency: str) -> int:
        value = self._raw.get("amount")
        if type(value) is int and 0 <= value <= MAX_AMOUNT:
            return value
        expected = f"must be an integer from 0 to {MAX_AMOUNT}, or text like 'Rp.125,000,000'"
        if type(value) is str and currency != DEFAULT_CURRENCY and "currency" not in self._faults:
            self._bad("amount", f"must be an integer when the currency is {currency}", _integer_hint(value))
            return 0
        try:
            amount = parse_rupiah(value) if type(value) is str else MAX_AMOUNT + 1
        except ValueError:
            amount = MAX_AMOUNT + 1
        if amount > MAX_AMOUNT:
            self._bad("amount", expected, _integer_hint(value))
        return amount

    def _payment_method(self) -> str:
        value = self._raw.get("payment_method")
        name = self._payment_methods.canonical(value) if type(value) is str else None
        if name is None:
            self._bad("payment_method", f"must be text of 1 to {MAX_PAYMENT_METHOD_LENGTH} characters, such as GoPay")
        return name or ""

    def _country(self, field: str) -> str:
        value = self._raw.get(field)
        code = value.upper() if type(value) is str and value.isascii() else ""
        if code not in COUNTRIES:
            nearest = nearest_country(value) if type(value) is str and len(value) <= MAX_ID_LENGTH else None
            self._bad(field, "must be an ISO 3166 alpha-2 code", nearest and f"write {nearest}")
        return code

    def _currency(self) -> str:
        if not self._given("currency"):
            return DEFAULT_CURRENCY
        value = self._raw["currency"]
        code = value.upper() if type(value) is str and value.isascii() else ""
        if code not in CURRENCIES:
            nearest = nearest_currency(value) if type(value) is str and len(value) <= MAX_ID_LENGTH else None
            self._bad("currency", "must be an ISO 4217 code", nearest and f"write {nearest}")
        return code

    def _account_moment(self) -> datetime:
        """Like any moment, but a bare date is accepted: midnight in business time."""
        value = self._raw["account_created_date"]
        if type(value) is str and len(value) == len("2026-11-22"):
            value = f"{value}T00:00"
        return self._moment("account_created_date", value)

    def _moment(self, field: str, value: object) -> datetime:
        try:
            moment = parse_moment(value) if type(value) is str and len(value) <= MAX_ID_LENGTH else None
        except ValueError:
            moment = None
        if moment is None:
            self._bad(field, f"must be a date and time like {EXAMPLE}", describe_invalid_moment(self._raw.get(field)))
        elif moment > self._latest:
            self._bad(field, "must not be in the future", describe_far_future(moment, self._latest))
        return moment or _NO_TIME

    def _ip_address(self) -> str:
        value = self._raw["ip_address"]
        address = canonical_ip(value) if type(value) is str else None
        if address is None:
            self._bad("ip_address", "must be an IPv4 or IPv6 address", _address_hint(value))
        return address or ""

    def _attributes(self) -> dict[str, Any]:
        attributes = {name: value for name, value in self._raw.items() if name not in FIELDS}
        found = 0
        for name, value in attributes.items():
            shown = name[:MAX_ID_LENGTH].replace("\0", "\\u0000")
            problem = None if shown in self._faults else _unstorable(value, 0)
            if problem is not None:
                self._faults[shown] = Fault(ErrorType.OUT_OF_RANGE, shown, f"{shown} {problem}")
                found += 1
                if found == _MAX_ATTRIBUTE_FAULTS:
                    break
        return attributes

    # ---- faults

    def _bad(self, field: str, expected: str, hint: str | None = None) -> None:
        if field in self._faults:
            return
        if field not in self._raw:
            similar = similar_name(field, self._raw)
            text = f"{field} is missing; it {expected}" + (f" (there is {show_value(similar)})" if similar else "")
            self._faults[field] = Fault(ErrorType.MISSING_FIELD, field, text)
            return
        text = f"{field} {expected}, got {show_value(self._raw[field])}" + (f": {hint}" if hint else "")
        self._faults[field] = Fault(ErrorType.BAD_VALUE, field, text)

    def _find_nul(self) -> None:
        """Postgres stores no NUL character, in no text and in no JSON."""
        found = 0
        for field, value in self._raw.items():
            if not _holds_nul(field, value):
                continue
            name = field[:MAX_ID_LENGTH].replace("\0", "\\u0000")
            text = f"{name} holds a NUL character, which no database stores"
            self._faults[name] = Fault(ErrorType.NOT_STORABLE, name, text)
            found += name not in FIELDS
            if found == _MAX_ATTRIBUTE_FAULTS:
                break

    def _error(self) -> BadEvent:
        """All faults as one error; for an order in an envelope, that fault only."""
        raw, order_id = self._raw, readable_id(self._raw.get("order_id"))
        last = len(_ORDER_OF_FIELDS)
        faults = sorted(self._faults.values(), key=lambda fault: _ORDER_OF_FIELDS.get(fault.field, last))
        if any(fault.error_type == ErrorType.MISSING_FIELD for fault in faults):
            envelope = describe_envelope(raw)
            if envelope is not None:
                return BadEvent(ErrorType.ENVELOPE, envelope, order_id=order_id)
        empty = [field for field in _OPTIONAL_TEXTS if raw.get(field) == ""]
        note = f" (left out, as empty: {', '.join(empty)})" if empty else ""
        return BadEvent(
            faults[0].error_type,
            join_faults(faults, MAX_ERROR_LENGTH - len(note)) + note,
            field=faults[0].field,
            fields=tuple(fault.field for fault in faults),
            order_id=order_id,
        )


def join_faults(faults: Iterable[Fault], longest: int) -> str:
    """Join the faults' texts; those beyond `longest` are named by their field."""
    texts = [fault.text for fault in faults]
    names = [fault.field for fault in faults]
    for count in range(len(texts), 0, -1):
        rest = f"; and {len(texts) - count} more: {', '.join(names[count:])}" if count < len(texts) else ""
        text = "; ".join(texts[:count]) + rest
        if len(text) <= longest:
            return text
    return f"{texts[0][: longest - 9]}... (cut)"


def canonical_ip(text: str) -> str | None:
    """An IPv4 or IPv6 address in its shortest spelling, None when it is not valid."""
    try:
        # The C library's: a tenth of the time that `ipaddress` takes. It admits one spelling of an IPv4 address.
        if ":" not in text:
            socket.inet_pton(socket.AF_INET, text)
            return text
        return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, text))
    except (OSError, ValueError):
        return None


def _unstorable(value: object, depth: int) -> str | None:
    """Integers that no 64-bit column holds, and nesting that no JSON writer or database follows."""
    if type(value) is int:
        if not -MAX_INT64 <= value <= MAX_INT64:
            return f"holds an integer beyond 64 bits: {show_value(value)}; write large numbers as text"
    elif type(value) is float:
        # The parser turns integers beyond 64 bits into floats: refused rather than kept inexactly.
        if abs(value) > MAX_INT64:
            return f"holds a number beyond 64 bits: {show_value(value)}; write large numbers as text"
    elif isinstance(value, (dict, list)):
        if depth == MAX_NESTING:
            return f"is nested deeper than {MAX_NESTING} levels"
        for child in value.values() if isinstance(value, dict) else value:
            problem = _unstorable(child, depth + 1)
            if problem is not None:
                return problem
    return None


def _holds_nul(field: str, value: object) -> bool:
    pending: list[object] = [field, value]
    while pending:
        item = pending.pop()
        if isinstance(item, str) and "\0" in item:
            return True
        if isinstance(item, dict):
            pending.extend(item.keys())
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return False


def _integer_hint(value: object) -> str | None:
    """The integer that is meant: a decimal without a fraction, digits within text."""
    if type(value) is float and value.is_integer() and 0 <= value <= MAX_AMOUNT:
        return f"write {int(value)}"
    if type(value) is not str or len(value) > MAX_ID_LENGTH or not value.isascii():
        return None
    plain = value.strip().upper().removeprefix("IDR").removeprefix("RP").lstrip(".").strip().replace(",", "")
    try:
        number = float(plain) if "_" not in plain else math.nan
    except ValueError:
        return None
    # One point with three digits after it is thousands in Indonesia, a fraction elsewhere: ambiguous.
    thousands = len(plain.partition(".")[2]) == 3
    return f"write {int(number)}" if not thousands and number.is_integer() and 0 <= number <= MAX_AMOUNT else None


def _address_hint(value: object) -> str | None:
    if type(value) is not str or len(value) > MAX_ID_LENGTH:
        return None
    host = value.strip().removeprefix("[")
    for candidate in (host, host.partition("]")[0], host.partition("%")[0], host.partition("/")[0]):
        if canonical_ip(candidate) is not None:
            return f"write {candidate}"
    address, _, port = host.rpartition(":")
    if port.isdecimal() and canonical_ip(address) is not None:
        return f"write {address}, without the port"
    first = host.partition(",")[0].strip()
    return f"write one address, such as {first}" if canonical_ip(first) is not None else None


def show_value(value: object, limit: int = 120) -> str:
    """A value as JSON for an error text, cut to `limit` characters: bad values can be megabytes."""
    try:
        # Python writes large integers in full and refuses beyond some thousand digits; JSON input cannot hold those.
        text = value[: limit + 1] if isinstance(value, str) else value
        shown = orjson.dumps(text).decode()
    except (TypeError, ValueError):  # nested too deeply, or an integer beyond 64 bits
        shown = f"a {type(value).__name__}"
    return shown if len(shown) <= limit else f"{shown[:limit]}... (cut)"
