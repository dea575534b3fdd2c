"""Request bodies as JSON, of bounded depth and width, with errors that name the place and the fault."""

import json
import math
from email.message import Message
from typing import Any, Final, NoReturn

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope

from order_api.http.problems.requests import ClientDisconnected, InvalidRequest, UnsupportedMediaType

# What is taken here has a handful of members; pydantic would name each one that is too many.
MAX_MEMBERS: Final = 64
MAX_VALUES: Final = 1_000
MAX_DEPTH: Final = 100
# Reading a number costs the square of its digits; what a field takes of it is said by the field.
MAX_DIGITS: Final = 100
_BYTE_ORDER_MARK: Final = "\ufeff"
_SHALLOW: Final = (str, int, float, type(None))


class JsonRequest(Request):
    """A request whose body has been read and decoded."""

    def __init__(self, scope: Scope, receive: Receive, content: bytes, decoded: object) -> None:
        super().__init__(scope, receive)
        self._content = content
        self._decoded = decoded

    async def body(self) -> bytes:
        """The body as it came."""
        return self._content

    async def json(self) -> Any:
        """The body's value."""
        return self._decoded


async def read_json(request: Request) -> JsonRequest:
    """Read the body. Raises UnsupportedMediaType, InvalidRequest, BodyTooLarge, or ClientDisconnected."""
    try:
        content = await request.body()
    except ClientDisconnect:
        raise ClientDisconnected from None
    if not content:
        return JsonRequest(request.scope, request.receive, content, None)
    _check_type(request)
    return JsonRequest(request.scope, request.receive, content, decode_json(content))


def decode_json(content: bytes) -> object:
    """The value of a JSON document. Raises InvalidRequest for what is none, is nested too deeply, or has too much."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        _reject(f"not JSON: byte {error.start + 1} is not UTF-8")
    if text.startswith(_BYTE_ORDER_MARK):
        _reject("not JSON: begins with a byte order mark; leave it out")
    try:
        value = json.loads(text, parse_int=_integer, parse_float=_number, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        line = f", line {error.lineno}" if error.lineno > 1 else ""
        _reject(f"not JSON: cannot be read at character {error.pos + 1}{line}")
    except RecursionError:
        _reject(f"is nested more than {MAX_DEPTH} levels deep")
    _check_size(value)
    return value


def _check_size(value: object) -> None:
    if isinstance(value, dict) and len(value) > MAX_MEMBERS:
        _reject(f"has {len(value):,} members; at most {MAX_MEMBERS} are taken")
    level, count = [value], 0
    for _ in range(MAX_DEPTH):
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        count += len(inner)
        if count > MAX_VALUES:
            _reject(f"holds more than {MAX_VALUES:,} values")
        level = [item for item in inner if not isinstance(item, _SHALLOW)]
        if not level:
            return
    _reject(f"is nested more than {MAX_DEPTH} levels deep")


def _check_type(request: Request) -> None:
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        raise UnsupportedMediaType(f"Content-Encoding {coding}")
    given = request.headers.get("content-type")
    if given is None:
        raise UnsupportedMediaType("no Content-Type")
    parsed = Message()
    parsed["content-type"] = given
    is_json = parsed.get_content_maintype() == "application" and (
        parsed.get_content_subtype() == "json" or parsed.get_content_subtype().endswith("+json")
    )
    charset = str(parsed.get_param("charset", "utf-8")).lower()
    if not is_json or charset not in {"utf-8", "utf8", "us-ascii"}:
        raise UnsupportedMediaType(given)


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        _reject(f"holds a number of more than {MAX_DIGITS} digits")
    return int(digits)


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        _reject("holds a number that is too large")
    return value


def _no_constant(name: str) -> NoReturn:
    _reject(f"not JSON: {name} is not a JSON value")


def _reject(message: str) -> NoReturn:
    raise InvalidRequest([{"in": "body", "field": None, "value": None, "message": message}])
