"""The application: settings in, ASGI out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from order_api import guide
from order_api.address_limit import AddressLimit
from order_api.body_limit import BodyLimit
from order_api.compression import Compression
from order_api.cors import CrossOriginPages
from order_api.dead_letters.routes import router as dead_letters
from order_api.decisions.routes import router as decisions
from order_api.head_requests import HeadRequests
from order_api.health.routes import router as health
from order_api.key_management.routes import router as keys
from order_api.lag import OpenLagSource
from order_api.marts.routes import router as marts
from order_api.metrics import Metrics
from order_api.observer import RequestObserver
from order_api.openapi import DocumentedAPI
from order_api.orders.routes import router as orders
from order_api.problems.answers import handle_http, handle_problem, handle_validation
from order_api.problems.problem import Problem
from order_api.rate_limits import AddressLimits
from order_api.services import open_services
from order_api.sessions.routes import router as sessions
from order_api.settings import ApiSettings
from order_api.stats.routes import router as stats
from order_api.users.routes import router as users
from order_platform.kafka.lag import LagReader

# For what a caller sends: a key, or the corrected body of a dead letter.
MAX_BODY_BYTES: Final = 65_536

DESCRIPTION: Final = """
What happened to any order, and why.

`/v1` needs an API key as `Authorization: Bearer KEY`; `order-api keys create` makes one. Times are RFC 3339 in UTC;
amounts are integers in the smallest unit of their currency. Every error is an RFC 9457 problem whose `type` leads to
its explanation. Lists come newest first; `next` of a page, or its `Link` header, leads to the page after it. Every
answer carries `X-Request-ID`: the caller's own if it sent one.
"""


def create_app(settings: ApiSettings, open_lag: OpenLagSource | None = None) -> FastAPI:
    """The API. `open_lag` replaces the broker in tests."""
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings, metrics, open_lag or (lambda: LagReader(settings))) as services:
            app.state.services = services
            yield

    app = DocumentedAPI(
        title="Orderwatch API",
        version=version("order-api"),
        description=DESCRIPTION,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        exception_handlers={
            Problem: handle_problem,
            RequestValidationError: handle_validation,
            HTTPException: handle_http,
        },
    )
    app.state.metrics = metrics
    # The last one is the outermost.
    app.add_middleware(BodyLimit, limit=MAX_BODY_BYTES)
    app.add_middleware(Compression)
    app.add_middleware(HeadRequests)
    app.add_middleware(AddressLimit, limits=AddressLimits(settings.api_keyless_limit))
    if settings.api_cors_origins:
        app.add_middleware(CrossOriginPages, origins=settings.api_cors_origins)
    app.add_middleware(RequestObserver, metrics=metrics)
    for router in (orders, users, decisions, dead_letters, stats, marts, keys, sessions, health, guide.router):
        # Their paths and dependencies are complete; including them would match each request's path twice.
        app.router.routes.extend(router.routes)
    guide.add_documentation(app)
    return app
