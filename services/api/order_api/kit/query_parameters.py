"""Types of query and path parameters, and checks of the query as a whole; error messages say what to write instead."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, NamedTuple, TypeVar

from fastapi import Path, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, BeforeValidator, Field, GetJsonSchemaHandler, StringConstraints, WithJsonSchema
from pydantic_core import CoreSchema
from starlette.convertors import Convertor, register_url_convertor

from order_api.kit.pagination import EARLIEST, LATEST
from order_contract.business_time import BUSINESS_ZONE
from order_contract.decision import Outcome, Status, status_of
from order_contract.decoding.validating_decoder import canonical_ip
from order_contract.event import MAX_ID_LENGTH, MAX_TEXT_LENGTH
from order_contract.money import MAX_AMOUNT
from order_contract.nearest import nearest_country, nearest_currency
from order_contract.reference_data import COUNTRIES, CURRENCIES, PaymentMethods

# Postgres holds no NUL, so nothing that is stored has one.
NO_NUL: Final = r"^[^\x00]*$"
_ADDRESS: Final = "address"
"""The kind of IP addresses, among entities, links and subjects of notes."""
_LEAP_SECOND = re.compile(r"(?<=:\d\d:)60")
_LOST_PLUS = re.compile(r"(T[0-9:.]+) (\d\d:\d\d)$")
_WHOLE_NUMBER = re.compile(r"-?[0-9]+")
_MAX_DIGITS: Final = 20
_WAIT = re.compile(r"([0-9]{1,6})(ms|s)")
_MAX_WAIT_SECONDS: Final = 30
# Many HTTP clients give up after ten seconds of silence, so less is what the documentation offers.
_DOCUMENTED_WAIT: Final = r"^(?:[0-9]s|[0-9]{1,4}ms)$"
_PAYMENT_METHODS = PaymentMethods()


class _NeverNull:
    """Takes null out of an optional parameter's schema: there is no way to give it in a URL."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        alternatives = handler(schema)["anyOf"]
        return next(kind for kind in alternatives if kind != {"type": "null"})


Value = TypeVar("Value")
QueryParam = Annotated[Value | None, _NeverNull()]
"""A parameter that may be left out."""

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID_LENGTH, pattern=NO_NUL)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT_LENGTH, pattern=NO_NUL)]
HyphenatedName = Annotated[str, StringConstraints(pattern="^[a-z0-9]+(?:-[a-z0-9]+)*$", max_length=100)]
"""The id of a rule, or the name of a draft."""
RulesetVersion = Annotated[str, StringConstraints(pattern="^[0-9a-f]{16}$")]


def parse_time_bound(value: object) -> object:
    """One end of a time range: RFC 3339, a bare date for its midnight; without an offset in business time.

    What lies outside the years an order can have is moved to their edge: there is nothing beyond it.
    """
    if not isinstance(value, str):
        return value
    # An unescaped + arrives as a space; a leap second is the moment after :59.
    text = _LOST_PLUS.sub(r"\1+\2", value.upper())
    leap = _LEAP_SECOND.search(text) is not None
    try:
        moment = datetime.fromisoformat(_LEAP_SECOND.sub("59", text))
    except ValueError:
        raise ValueError("is not a date and time like 2026-11-22T10:15:00+07:00") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=BUSINESS_ZONE)
    moment = min(max(moment, EARLIEST), LATEST).astimezone(UTC)
    return moment + timedelta(seconds=1) if leap else moment


def parse_wait(value: object) -> object:
    """`5s` or `500ms`, up to 30 seconds, as seconds."""
    if not isinstance(value, str):
        return value
    match = _WAIT.fullmatch(value)
    seconds = -1.0 if match is None else int(match[1]) / (1 if match[2] == "s" else 1000)
    if not 0 <= seconds <= _MAX_WAIT_SECONDS:
        raise ValueError(f"is not a time like 5s or 500ms, of at most {_MAX_WAIT_SECONDS}s")
    return seconds


def parse_whole_number(value: object) -> object:
    """Digits only: what pydantic takes for a number besides (`1_000`, `5.0`) is more likely a slip."""
    if not isinstance(value, str):
        return value
    if _WHOLE_NUMBER.fullmatch(value) is None:
        raise ValueError("is not a whole number: write digits only, like 50")
    if len(value) > _MAX_DIGITS:
        raise ValueError("is too large a number")
    return value


def parse_ip_address(value: object) -> object:
    """An address in the form it is stored in."""
    if not isinstance(value, str):
        return value
    canonical = canonical_ip(value)
    if canonical is None:
        raise ValueError("is not an IPv4 or IPv6 address")
    return canonical


def canonical_id(kind: str, value: str) -> str:
    """The id of an entity as orders have it: an address in the form it is stored in, what is none as it is given."""
    return (canonical_ip(value) or value) if kind == _ADDRESS else value


def canonical_payment_method(value: object) -> object:
    """A known payment method in its canonical spelling, another one as orders keep it."""
    return _PAYMENT_METHODS.canonical(value) or value if isinstance(value, str) else value


def parse_country(value: object) -> object:
    """An ISO 3166 alpha-2 code, in upper case: no order has another one."""
    return _code(value, COUNTRIES, "an ISO 3166 alpha-2 code", nearest_country)


def parse_currency(value: object) -> object:
    """An ISO 4217 code, in upper case: no order has another one."""
    return _code(value, CURRENCIES, "an ISO 4217 code", nearest_currency)


def _code(value: object, codes: Collection[str], what: str, nearest: Callable[[str], str | None]) -> object:
    if not isinstance(value, str):
        return value
    if value.isascii() and value.upper() in codes:
        return value.upper()
    meant = nearest(value)
    raise ValueError(f"is not {what}; write {meant}" if meant else f"is not {what}")


def _pattern(codes: Iterable[str]) -> str:
    """A pattern for codes in either case, those that begin alike together: `^(?:[Ii](?:[Dd]|[Tt]))$`."""
    tails: dict[str, set[str]] = {}
    for code in codes:
        tails.setdefault(code[:-1], set()).add(code[-1])
    groups = [
        "".join(f"[{letters}{letters.lower()}]" for letters in (*head, "".join(sorted(ends))))
        for head, ends in sorted(tails.items())
    ]
    return f"^(?:{'|'.join(groups)})$"


Country = Annotated[
    str, BeforeValidator(parse_country), WithJsonSchema({"type": "string", "pattern": _pattern(COUNTRIES)})
]
Currency = Annotated[
    str, BeforeValidator(parse_currency), WithJsonSchema({"type": "string", "pattern": _pattern(CURRENCIES)})
]
PaymentMethod = Annotated[Text, BeforeValidator(canonical_payment_method)]
IpAddress = Annotated[
    str,
    BeforeValidator(parse_ip_address),
    WithJsonSchema({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}),
]
DIGITS_ONLY: Final = BeforeValidator(parse_whole_number)
"""For every parameter that is a number; after its bounds, which the document would lose otherwise."""
Amount = Annotated[int, Field(ge=0, le=MAX_AMOUNT), DIGITS_ONLY]
Limit = Annotated[int, Field(ge=1, le=500), DIGITS_ONLY]
TimeBound = Annotated[
    datetime,
    BeforeValidator(parse_time_bound),
    WithJsonSchema({"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]}),
]
Wait = Annotated[
    float,
    BeforeValidator(parse_wait),
    WithJsonSchema({"type": "string", "pattern": _DOCUMENTED_WAIT}),
]


async def reject_null_body(request: Request) -> None:
    """A body that is `null`, where it may be left out: raises RequestValidationError. FastAPI takes both for one."""
    if (await request.body()).strip() == b"null":
        raise RequestValidationError(
            [
                {
                    "type": "null",
                    "loc": ("body",),
                    "input": "null",
                    "msg": "is null; leave the body out, or send an object",
                }
            ]
        )


def reject_repeated(request: Request) -> None:
    """A query parameter that is given twice, of which one would be ignored: raises RequestValidationError."""
    given = Counter(name for name, _ in request.query_params.multi_items())
    errors = [
        {
            "type": "repeated",
            "loc": ("query", name),
            "input": request.query_params.getlist(name),
            "msg": "is given twice",
        }
        for name, count in given.items()
        if count > 1
    ]
    if errors:
        raise RequestValidationError(errors)


class IdentifierConvertor(Convertor[str]):
    """The rest of the path, as it is: ids like `INV/2026/0001` are common, and any character may be in one.

    So a route below such a path has to be declared before the path's own.
    """

    regex = r"[\s\S]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("identifier", IdentifierConvertor())

OrderId = Annotated[Identifier, Path(description="as published; slashes need no escaping")]
UserId = Annotated[Identifier, Path(description="as published; slashes need no escaping")]


class Contradiction(NamedTuple):
    """A parameter, its value, and why nothing can match."""

    parameter: str
    value: object
    message: str


def reject_contradictions(parameters: BaseModel) -> None:
    """Raises RequestValidationError, which names each parameter that contradicts another one.

    Works on any of the filters that have these fields; `from` and `to` are named by their aliases.
    """
    given = {name: getattr(parameters, name) for name in type(parameters).model_fields}
    found = [*_times(given), *_amounts(given), *_outcomes(given)]
    if found:
        raise contradiction_error(found)


def contradiction_error(found: Iterable[Contradiction]) -> RequestValidationError:
    """The error that names these parameters of a query."""
    return RequestValidationError(
        [
            {"type": "contradiction", "loc": ("query", each.parameter), "input": each.value, "msg": each.message}
            for each in found
        ]
    )


def _times(given: dict[str, Any]) -> Iterator[Contradiction]:
    for start_name, end_name in (("created_from", "created_to"), ("recorded_from", "recorded_to"), ("start", "end")):
        start, end = given.get(start_name), given.get(end_name)
        if isinstance(start, datetime) and isinstance(end, datetime) and end <= start:
            yield Contradiction(
                "to",
                end.isoformat(),
                f"is not after `from` ({start.isoformat()}), so nothing can match; write a later time",
            )


def _amounts(given: dict[str, Any]) -> Iterator[Contradiction]:
    low, high = given.get("min_amount"), given.get("max_amount")
    if low is not None and high is not None and high < low:
        yield Contradiction(
            "max_amount", high, f"is below `min_amount` ({low}), so nothing can match; write {low} or more"
        )


def _outcomes(given: dict[str, Any]) -> Iterator[Contradiction]:
    outcome, status, flagged = given.get("outcome"), given.get("status"), given.get("flagged")
    if outcome is not None and status is not None and status != status_of(Outcome(outcome)):
        right = status_of(Outcome(outcome))
        yield Contradiction(
            "status",
            str(status),
            f"contradicts outcome {outcome}, so nothing can match; write {right}, or leave it out",
        )
    if flagged is None:
        return
    for name, value in (("outcome", outcome), ("status", status)):
        if value is None:
            continue
        is_flagged = value != (Outcome.APPROVE if name == "outcome" else Status.GENUINE)
        if is_flagged != flagged:
            yield Contradiction(
                "flagged", str(flagged).lower(),
                f"contradicts {name} {value}, so nothing can match; write {str(is_flagged).lower()}, or leave it out",
            )  # fmt: skip
            return
