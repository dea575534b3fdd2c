"""Compression of large responses."""

import asyncio
import functools
import gzip
import re
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Below, the headers cost as much as is won.
SMALLEST: Final = 1024
# Above, compressing would hold up other requests by milliseconds: a thread does it.
LARGE: Final = 32_768
# Half the time of the usual 9, for a tenth more bytes.
LEVEL: Final = 4
# What the tag of a compressed answer has more than that of the plain one.
TAG_SUFFIX: Final = "-gzip"
_COMPRESSIBLE: Final = (b"application/json", b"application/problem+json", b"text/", b"application/javascript")
_CODING = re.compile(r"([a-z*]+)\s*(?:;\s*q=([0-9.]+))?")


class CompressionMiddleware:
    """ASGI middleware: gzip for clients that accept it. Responses that come in pieces pass as they are.

    A strong ETag names bytes, so that of the compressed response gets a suffix, which `kit/etag.py` knows: Starlette's
    GZipMiddleware leaves the tag as it is.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        accepted = accepts_gzip(scope)
        start: Message | None = None

        async def send_compressed(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_compressible(message):
                start = message  # held back until the body decides whether it is compressed
                return
            held, start = start, None
            if held is not None:
                headers = [*held["headers"], (b"vary", b"Accept-Encoding")]
                if accepted and not message.get("more_body", False) and is_large(message.get("body", b"")):
                    body = await _compress(message["body"])
                    message = {**message, "body": body}
                    headers = _make_headers(headers, len(body))
                await send({**held, "headers": headers})
            await send(message)

        await self._app(scope, receive, send_compressed)


def accepts_gzip(scope: Scope) -> bool:
    """Whether the client of a request takes gzip."""
    return any(name == b"accept-encoding" and _accepts_gzip(value) for name, value in scope["headers"])


def is_large(body: bytes) -> bool:
    """Whether a body gets compressed for clients that take that."""
    return len(body) >= SMALLEST


@functools.lru_cache(maxsize=256)
def _accepts_gzip(accept_encoding: bytes) -> bool:
    weights = {name: weight or "1" for name, weight in _CODING.findall(accept_encoding.decode("latin-1").lower())}
    return weights.get("gzip", weights.get("*", "0")).strip("0.") != ""


def _is_compressible(start: Message) -> bool:
    headers = dict(start.get("headers", ()))
    media_type: bytes = headers.get(b"content-type", b"")
    return media_type.startswith(_COMPRESSIBLE) and b"content-encoding" not in headers


async def _compress(body: bytes) -> bytes:
    if len(body) < LARGE:
        return gzip.compress(body, LEVEL, mtime=0)
    return await asyncio.to_thread(gzip.compress, body, LEVEL, mtime=0)


def _make_headers(headers: list[tuple[bytes, bytes]], length: int) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in headers if name not in {b"content-length", b"etag"}]
    tags = [(name, value[:-1] + TAG_SUFFIX.encode() + b'"') for name, value in headers if name == b"etag"]
    return [*kept, *tags, (b"content-length", b"%d" % length), (b"content-encoding", b"gzip")]
