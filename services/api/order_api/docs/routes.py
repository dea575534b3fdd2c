"""Index, problem types, `/openapi.json` and the interactive documentation."""

import functools
import gzip
import inspect
import re
from base64 import b64encode
from hashlib import sha256
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, FastAPI, Path, Request
from fastapi.openapi.docs import get_swagger_ui_html
from pydantic import BaseModel, ConfigDict
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from order_api.http.compression import accepts_gzip
from order_api.http.problems.openapi import responses
from order_api.http.problems.registry import problem_types
from order_api.http.problems.requests import NotFound

router = APIRouter(tags=["guide"])


_INLINE_SCRIPT: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_INDEX: Final[dict[str, Any]] = {
    "name": "Orderwatch API",
    "documentation": "/docs",
    "openapi": "/openapi.json",
    "problems": "/problems",
    "orders": "/v1/orders",
    "flags": "/v1/flags",
    "stats": "/v1/stats",
}
_EXAMPLE: Final[dict[str, Any]] = {
    "code": "user-unknown",
    "status": 404,
    "title": "The user has no orders",
    "explanation": "No order of this user is stored, so there is nothing to tell.",
}


class Index(BaseModel):
    """Paths of the API."""

    model_config = ConfigDict(json_schema_extra={"examples": [_INDEX]})

    name: str
    documentation: str = "/docs"
    openapi: str = "/openapi.json"
    problems: str = "/problems"
    orders: str = "/v1/orders"
    flags: str = "/v1/flags"
    stats: str = "/v1/stats"
    decisions: str = "/v1/decisions/stream"
    dead_letters: str = "/v1/dead-letters"


class ProblemType(BaseModel):
    """A kind of problem that the API responds with."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    code: str
    status: int
    title: str
    explanation: str


@functools.cache
def _problem_types() -> dict[str, ProblemType]:
    """All kinds, by code; when first asked, as by then all modules that define some are imported."""
    return {
        code: ProblemType(code=code, status=kind.status, title=kind.title, explanation=inspect.getdoc(kind) or "")
        for code, kind in problem_types().items()
    }


@router.get("/", operation_id="get_index")
async def get_index(request: Request) -> Index:
    """What there is."""
    return Index(name=request.app.title)


@router.get(
    "/problems",
    operation_id="list_problems",
    responses={200: {"content": {"application/json": {"example": [_EXAMPLE]}}}},
)
async def list_problems() -> list[ProblemType]:
    """Every kind of problem that the API responds with."""
    return list(_problem_types().values())


@router.get("/problems/{code}", operation_id="get_problem", responses=responses(404, 422))
async def get_problem(
    code: Annotated[str, Path(description="`code` of a problem")],
) -> ProblemType:
    """What a problem means and what to do about it; the `type` of every problem leads here."""
    known = _problem_types().get(code)
    if known is None:
        raise NotFound("there is no problem of this code")
    return known


def add_documentation(app: FastAPI) -> None:
    """`/openapi.json`, and `/docs` with Swagger UI's files from a package: where keys are typed in, no code is foreign.

    They need no key, so the document is written and compressed once.
    """
    document = functools.cache(lambda: orjson.dumps(app.openapi()))
    compressed = functools.cache(lambda: gzip.compress(document(), mtime=0))

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request) -> Response:
        if not accepts_gzip(request.scope):
            return Response(document(), media_type="application/json")  # Compression says that it varies
        headers = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        return Response(compressed(), headers=headers, media_type="application/json")

    assets = "/docs/assets"
    app.mount(assets, StaticFiles(packages=[("fastapi_swagger", "resources")]), name="assets")

    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=app.title,
        swagger_js_url=f"{assets}/swagger-ui-bundle.js",
        swagger_css_url=f"{assets}/swagger-ui.css",
        swagger_favicon_url=f"{assets}/favicon-32x32.png",
        swagger_ui_parameters={"tryItOutEnabled": True, "persistAuthorization": False},
    )
    page.headers.update(_security_headers(bytes(page.body).decode()))

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return page


def _security_headers(page: str) -> dict[str, str]:
    """Header fields for a page where keys are typed in: it runs its own scripts only, and is shown in no other page."""
    digests = [b64encode(sha256(script.encode()).digest()).decode() for script in _INLINE_SCRIPT.findall(page)]
    policy = {
        "default-src": "'none'",
        "script-src": " ".join(["'self'", *(f"'sha256-{digest}'" for digest in digests)]),
        "style-src": "'self' 'unsafe-inline'",  # Swagger UI sets styles of its elements
        "img-src": "'self' data:",
        "font-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
    }
