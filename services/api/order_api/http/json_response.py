"""JSON responses, written by orjson."""

from collections.abc import Mapping

import orjson
from starlette.responses import Response


def json_response(
    body: object,
    status: int = 200,
    *,
    headers: Mapping[str, str] | None = None,
    media_type: str = "application/json",
) -> Response:
    """`body` as JSON; times leave in UTC as `2026-11-22T03:15:00.000001Z`. It is not cached unless `headers` say so."""
    content = orjson.dumps(body, option=orjson.OPT_UTC_Z)
    return Response(content, status, {"Cache-Control": "no-store", **(headers or {})}, media_type)
