"""The head of a request by RFC 9110 and RFC 9112: what the parser accepts and this API does not.

httptools has checked the characters, the framing by Content-Length and the last transfer coding before.
"""

import re
import urllib.parse
from typing import Final, NamedTuple

import httptools
from uvicorn._types import HTTPScope

from order_api.http.problems.rejections import ExpectationFailed, HeadTooLarge, MalformedRequest

# An order id has 64 characters, a cursor 640: the rest is for what browsers and proxies add.
MAX_HEAD_BYTES: Final = 32_768
# Browsers send twenty, a chain of proxies adds ten.
MAX_FIELDS: Final = 100
# What a field takes on the wire besides name and value: a colon, a space, CR and LF.
FIELD_OVERHEAD: Final = 4

_CHECKED: Final = frozenset({b"host", b"transfer-encoding", b"content-length", b"expect"})
_HOST: Final = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
_MAX_SHOWN: Final = 60

Field = tuple[bytes, bytes]
"""Name in lower case, and value."""


class RequestHead(NamedTuple):
    """What a head asks for; `expects_continue` when the client waits for a 100 before it sends the body."""

    path: bytes
    query: bytes
    expects_continue: bool

    def complete_scope(self, scope: HTTPScope, version: str, method: bytes, root_path: str) -> None:
        """Fill in what uvicorn's protocol leaves open in an ASGI scope."""
        scope["method"] = method.decode("ascii")
        scope["http_version"] = version
        scope["path"] = root_path + urllib.parse.unquote(self.path.decode("ascii"))
        scope["raw_path"] = root_path.encode("ascii") + self.path
        scope["query_string"] = self.query


def read_head(version: str, method: bytes, target: bytes, fields: list[Field], *, upgrade: bool) -> RequestHead:
    """Check a complete head. Raises MalformedRequest, HeadTooLarge or ExpectationFailed.

    The host of a target in absolute form replaces that of `fields` (RFC 9112, 3.2.2). With `upgrade` the parser takes
    no body, so what follows would be read as the next request.
    """
    if version not in {"1.0", "1.1"}:
        raise MalformedRequest(f"HTTP/{version} is not supported here; send HTTP/1.1")
    if len(fields) > MAX_FIELDS:
        raise HeadTooLarge(f"a request has at most {MAX_FIELDS} header fields here")
    size = len(method) + len(target) + sum(len(name) + len(value) + FIELD_OVERHEAD for name, value in fields)
    if size > MAX_HEAD_BYTES:
        raise HeadTooLarge
    checked = [field for field in fields if field[0] in _CHECKED]
    _check_host([value for name, value in checked if name == b"host"], version)
    expects_continue = False
    for name, value in checked:
        if name == b"transfer-encoding":
            _check_coding(value, version)
        elif name == b"expect" and version != "1.0":  # clients of 1.0 cannot expect anything (RFC 9110, 10.1.1)
            if value.lower() != b"100-continue":
                raise ExpectationFailed(_text(value))
            expects_continue = True
        if upgrade and name not in {b"expect", b"host"} and value != b"0":
            raise MalformedRequest("a request with a body cannot ask for an upgrade here; leave header Upgrade out")
    path, query = _read_target(method, target, fields)
    return RequestHead(path, query, expects_continue)


def _check_host(hosts: list[bytes], version: str) -> None:
    if len(hosts) > 1:
        raise MalformedRequest("header Host is there more than once; send it once")
    if not hosts:
        if version == "1.1":
            raise MalformedRequest("header Host is missing; send it once")
    elif _HOST.fullmatch(hosts[0]) is None:
        raise MalformedRequest(f"header Host is {_text(hosts[0])!r}, which is not a host like api.example:8000")


def _check_coding(coding: bytes, version: str) -> None:
    if version == "1.0":
        raise MalformedRequest("HTTP/1.0 has no Transfer-Encoding; send Content-Length")
    if coding.lower() != b"chunked":
        raise MalformedRequest(f"Transfer-Encoding is {_text(coding)!r}; only chunked is supported here")


def _read_target(method: bytes, target: bytes, fields: list[Field]) -> tuple[bytes, bytes]:
    """Path and query of a target in origin form, absolute form, or `*`."""
    if b"#" in target:
        raise MalformedRequest("a request target has no fragment; leave out what begins with #")
    if target.startswith(b"/"):
        path, _, query = target.partition(b"?")
        return path, query
    if target == b"*" and method == b"OPTIONS":
        return target, b""
    if not target.lower().startswith((b"http://", b"https://")):
        raise MalformedRequest(f"the request target is {_text(target)!r}; send a path like /v1/orders")
    try:
        url = httptools.parse_url(target)
    except httptools.HttpParserInvalidURLError:
        raise MalformedRequest(f"the request target {_text(target)!r} is not a URL") from None
    if url.userinfo:
        raise MalformedRequest("a request target has no user name or password here; leave out what comes before @")
    host = url.host or b""
    authority = (b"[%b]" % host if b":" in host else host) + (b":%d" % url.port if url.port else b"")
    fields[:] = [(b"host", authority), *(field for field in fields if field[0] != b"host")]
    return url.path or b"/", url.query or b""


def _text(value: bytes) -> str:
    return value[:_MAX_SHOWN].decode("latin-1")
