"""`python -m tests.benchmarks.bare_api URL PORT`: what the API is compared with, Starlette and asyncpg alone.

The same rows and the same JSON, without keys, limits, validation, conditional requests, compression and metrics.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from order_api.orders.filters import Criteria
from order_api.orders.repository import ORDERS_BY_ID, page_statement, read_stored_order
from order_api.orders.serializers import order_details, order_summary

_PAGE, _ = page_statement(Criteria(flagged=True), None, 51)


def _json(body: object) -> Response:
    return Response(orjson.dumps(body, option=orjson.OPT_UTC_Z), media_type="application/json")


def bare_application(url: str) -> Starlette:
    """The application."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with asyncpg.create_pool(url, min_size=1, max_size=8, server_settings={"jit": "off"}) as pool:
            app.state.pool = pool
            yield

    async def order(request: Request) -> Response:
        record = await request.app.state.pool.fetchrow(ORDERS_BY_ID, [request.path_params["order_id"]])
        return _json(order_details(read_stored_order(record)))

    async def flags(request: Request) -> Response:
        records = await request.app.state.pool.fetch(_PAGE)
        return _json({"items": [order_summary(read_stored_order(each)) for each in records[:50]], "next": None})

    return Starlette(routes=[Route("/v1/orders/{order_id}", order), Route("/v1/flags", flags)], lifespan=lifespan)


if __name__ == "__main__":
    uvicorn.run(
        bare_application(sys.argv[1]), port=int(sys.argv[2]),
        loop="uvloop", http="httptools", access_log=False, log_level="warning",
    )  # fmt: skip
