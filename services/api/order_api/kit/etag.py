"""Conditional responses: a strong ETag, and 304 for a client that has the response already."""

import hashlib
import re
from typing import Any, Final

from fastapi import Request
from starlette.responses import Response

from order_api.http.compression import TAG_SUFFIX, accepts_gzip, is_large
from order_api.http.json_response import json_response

_TAG_BYTES: Final = 16
_TAG = re.compile(r'(?:W/)?"([^"]*)"')

CONDITIONAL: Final[dict[int | str, dict[str, Any]]] = {
    200: {"headers": {"ETag": {"description": "names this response, to the byte", "schema": {"type": "string"}}}},
    304: {
        "description": "The client has this response: its ETag is among those in If-None-Match",
        "headers": {"ETag": {"required": True, "schema": {"type": "string"}}},
    },
}
"""The responses of a route that answers so, for FastAPI's argument `responses`."""

IF_NONE_MATCH: Final[dict[str, Any]] = {
    "parameters": [
        {
            "name": "If-None-Match",
            "in": "header",
            "required": False,
            "description": "ETags of responses that the client has",
            "schema": {"type": "string"},
            "example": '"5f0c9d1be2a84c775f0c9d1be2a84c77"',
        }
    ]
}
"""The parameter of such a route, for FastAPI's argument `openapi_extra`."""


def conditional_response(request: Request, body: object) -> Response:
    """`body` as JSON with its ETag, or 304. Clients may keep it, and ask each time whether it still holds."""
    response = json_response(body)
    tag = hashlib.blake2b(response.body, digest_size=_TAG_BYTES).hexdigest()
    headers = {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache"}
    if _is_known(tag, request.headers.get("if-none-match")):
        # What this client would get now: Compression names the compressed answer so, and only sees responses with a
        # body.
        if is_large(bytes(response.body)) and accepts_gzip(request.scope):
            headers["ETag"] = f'"{tag}{TAG_SUFFIX}"'
        return Response(status_code=304, headers={**headers, "Vary": "Accept-Encoding"})
    response.headers.update(headers)
    return response


def _is_known(tag: str, if_none_match: str | None) -> bool:
    if if_none_match is None:
        return False
    known = (name.removesuffix(TAG_SUFFIX) for name in _TAG.findall(if_none_match))
    return if_none_match.strip() == "*" or tag in known
