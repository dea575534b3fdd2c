"""The application: settings in, ASGI out; opens the services that the features work with."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from importlib.metadata import entry_points, version
from typing import Final, TypeAlias

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from order_api.audit.routes import router as audit_router
from order_api.audit.service import AuditService
from order_api.auth.credential_cache import (
    CACHE_SECONDS,
    CredentialCache,
    CredentialInvalidator,
    Principal,
    make_principal,
)
from order_api.auth.dependencies import Authentication, authentication_of
from order_api.auth.personal_data import PersonalDataPolicy
from order_api.auth.rate_limits import RateLimits
from order_api.auth.repository import find_key, find_session
from order_api.auth.sessions import CookieSettings, looks_like_token
from order_api.backtests.processes import BacktestProcesses, backtest_limits
from order_api.backtests.routes import router as backtests_router
from order_api.backtests.service import BacktestService
from order_api.dead_letters.routes import router as dead_letters_router
from order_api.dead_letters.service import DeadLetterService
from order_api.decisions.routes import DecisionService
from order_api.decisions.routes import router as decisions_router
from order_api.decisions.stream import DecisionStreams
from order_api.decisions.topic_reader import open_decisions
from order_api.docs.openapi import DocumentedAPI
from order_api.docs.routes import add_documentation
from order_api.docs.routes import router as docs_router
from order_api.entities.routes import router as entities_router
from order_api.entities.service import EntityService
from order_api.explanations.routes import router as explanations_router
from order_api.explanations.service import ExplanationService
from order_api.health.routes import router as health_router
from order_api.health.service import HealthService
from order_api.http.address_limit import AddressLimit, AddressLimits
from order_api.http.body_limit import BodyLimit
from order_api.http.compression import CompressionMiddleware
from order_api.http.cors import TrustedOriginCors
from order_api.http.head_requests import HeadRequests
from order_api.http.metrics import ApiMetrics
from order_api.http.problems.handlers import handle_http, handle_problem, handle_validation
from order_api.http.problems.problem import Problem
from order_api.http.request_logging import RequestLogging
from order_api.key_management.routes import router as keys_router
from order_api.key_management.service import KeyService
from order_api.kit.cost_aware_cache import CostAwareCache
from order_api.kit.database import LISTINGS, STATISTICS, Databases, open_databases
from order_api.kit.fair_turns import FairPool, FairTurns, OpenRequests
from order_api.kit.lag_monitor import LagMonitor, OpenLagSource
from order_api.kit.notification_listener import PostgresListener
from order_api.kit.registry import ServiceRegistry
from order_api.labels.routes import router as labels_router
from order_api.labels.service import LabelService
from order_api.links.routes import router as links_router
from order_api.links.service import LinkService
from order_api.lists.routes import router as lists_router
from order_api.lists.service import ListService
from order_api.marts.routes import router as marts_router
from order_api.marts.service import MartService
from order_api.notes.routes import router as notes_router
from order_api.notes.service import NoteService
from order_api.orders.known_rules import KnownRules
from order_api.orders.long_poll import OrderLongPoll
from order_api.orders.lookups import OrderLookups
from order_api.orders.repository import find_dead_letters, find_orders
from order_api.orders.routes import router as orders_router
from order_api.orders.service import OrderService
from order_api.review_queue.default_actions import DefaultActions
from order_api.review_queue.metrics import ReviewQueueMetrics
from order_api.review_queue.routes import router as review_queue_router
from order_api.review_queue.service import ReviewQueue
from order_api.review_routes.routes import router as review_routes_router
from order_api.review_routes.service import ReviewRouteService
from order_api.reviews.routes import router as reviews_router
from order_api.reviews.service import ReviewService
from order_api.rules.routes import router as rules_router
from order_api.rules.service import RuleService
from order_api.rulesets.routes import router as rulesets_router
from order_api.rulesets.service import RulesetService
from order_api.saved_searches.routes import router as saved_searches_router
from order_api.saved_searches.service import SavedSearchService
from order_api.sessions.routes import router as sessions_router
from order_api.sessions.service import SessionService
from order_api.settings import ApiSettings
from order_api.stats.routes import router as stats_router
from order_api.stats.service import StatsService
from order_api.users.routes import router as users_router
from order_api.users.service import UserService
from order_api.what_if.routes import router as what_if_router
from order_api.what_if.service import WhatIfService
from order_contract.notifications import CREDENTIALS_CHANNEL, RECORDED_CHANNEL
from order_platform.kafka.lag import LagReader
from order_platform.postgres.shutdown_watch import watch_for_shutdown

# For what a client sends: a key, or the corrected body of a dead letter.
MAX_BODY_BYTES: Final = 65_536

AddPages: TypeAlias = Callable[[FastAPI], None]
"""Adds a package's pages, which are not in the API's document, to the application."""

DESCRIPTION: Final = """
What happened to any order, and why.

`/v1` needs an API key as `Authorization: Bearer KEY`; `order-api keys create` makes one. Times are RFC 3339 in UTC;
amounts are integers in the smallest unit of their currency. Every error is an RFC 9457 problem whose `type` leads to
its explanation. Lists come newest first; `next` of a page, or its `Link` header, leads to the page after it. Every
answer carries `X-Request-ID`: the client's own if it sent one.
"""


def create_app(
    settings: ApiSettings,
    open_lag: OpenLagSource | None = None,
    *,
    credential_seconds: float = CACHE_SECONDS,
    pages: Iterable[AddPages] = (),
) -> FastAPI:
    """The API, with pages of other packages.

    `open_lag` replaces the broker in tests; look-ups of credentials are cached for `credential_seconds`.
    """
    open_lag = open_lag or (lambda: LagReader(settings))
    metrics = ApiMetrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings, metrics, open_lag, credential_seconds) as services:
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
    # The last one is the outermost.
    app.add_middleware(BodyLimit, limit=MAX_BODY_BYTES)
    app.add_middleware(CompressionMiddleware)
    app.add_middleware(HeadRequests)
    app.add_middleware(AddressLimit, limits=AddressLimits(settings.api_keyless_limit), is_exempt=_is_recently_valid)
    if settings.api_cors_origins:
        app.add_middleware(TrustedOriginCors, origins=settings.api_cors_origins)
    app.add_middleware(RequestLogging, metrics=metrics)
    for router in (
        explanations_router, entities_router, links_router,
        labels_router, orders_router, users_router, decisions_router, dead_letters_router, stats_router, marts_router,
        keys_router, audit_router, lists_router, rules_router, rulesets_router, backtests_router, what_if_router,
        review_queue_router, review_routes_router, reviews_router, notes_router, saved_searches_router,
        sessions_router, health_router, docs_router,
    ):  # fmt: skip
        # Their paths and dependencies are complete; including them would match each request's path twice.
        app.router.routes.extend(router.routes)
    add_documentation(app)
    for add_pages in pages:
        add_pages(app)
    return app


def installed_pages() -> list[AddPages]:
    """What the installed packages name in entry point group `order_api.pages`."""
    return [each.load() for each in entry_points(group="order_api.pages")]


def release_clients(app: FastAPI) -> None:
    """End the requests that wait and the streams, which would hold up a shutdown."""
    services: ServiceRegistry = app.state.services
    services.get(OrderLongPoll).close()
    services.get(DecisionStreams).release()
    services.get(BacktestService).release()


@asynccontextmanager
async def open_services(
    settings: ApiSettings, metrics: ApiMetrics, open_lag: OpenLagSource, credential_seconds: float
) -> AsyncIterator[ServiceRegistry]:
    """The services. Neither Postgres nor Kafka need be available: each is connected to at the first request for it."""
    url = settings.database_url.get_secret_value()
    async with open_databases(url) as databases:
        database = databases.lookups

        async def find_key_principal(key_hash: bytes) -> Principal | None:
            listener.listen()  # from the first key on: its end must be noticed
            found = await find_key(database, key_hash)
            return None if found is None else make_principal(found)

        async def find_session_principal(token_hash: bytes) -> Principal | None:
            listener.listen()
            found = await find_session(database, token_hash)
            return None if found is None else make_principal(found)

        services = ServiceRegistry()
        keys = CredentialCache(find_key_principal, seconds=credential_seconds)
        sessions = CredentialCache(find_session_principal, is_well_formed=looks_like_token, seconds=credential_seconds)
        find_rejected = partial(find_dead_letters, database, settings.labels_topic)
        long_poll = services.add(OrderLongPoll(partial(find_orders, database), find_rejected))
        streams = services.add(DecisionStreams(open_decisions(settings), settings.api_stream_seconds))
        invalidator = CredentialInvalidator(keys, sessions, streams.recheck)
        listener = PostgresListener(
            url,
            {RECORDED_CHANNEL: long_poll.on_notify, CREDENTIALS_CHANNEL: invalidator.on_notify},
            invalidator.invalidate_all,
        )
        open_requests = OpenRequests(settings.api_key_open_requests)
        # Fewer for a key than there are in all: another key finds one free.
        listings = FairPool(databases.listings, FairTurns(LISTINGS.connections, LISTINGS.connections - 1))
        statistics = FairPool(databases.statistics, FairTurns(STATISTICS.connections, STATISTICS.connections - 1))
        lag = LagMonitor(open_lag)
        rules = KnownRules()
        personal_data = PersonalDataPolicy(settings.api_mask_personal_data)
        limits = RateLimits(settings.api_key_limit, settings.api_guess_limit)
        services.add(Authentication(keys, sessions, limits, settings.api_cors_origins))
        lookups = OrderLookups(partial(find_orders, database), find_rejected)
        services.add(
            OrderService(
                lookups=lookups, long_poll=long_poll, listener=listener, listings=listings, open_requests=open_requests,
                lag=lag, rules=rules, personal_data=personal_data,
            )
        )  # fmt: skip
        services.add(UserService(listings, personal_data))
        services.add(DecisionService(streams, open_requests, rules, database, personal_data))
        dead_letters = services.add(DeadLetterService(settings, database, listings, settings.event_decoder()))
        services.add(StatsService(statistics, CostAwareCache(), lag, settings.labels_topic))
        processes = BacktestProcesses(database, backtest_limits(settings))
        for service in (
            metrics,
            databases,
            MartService(listings, personal_data),
            AuditService(listings),
            ListService(listings, settings.event_decoder(), personal_data),
            labels := LabelService(settings, database),
            queue := ReviewQueue(listings, statistics, labels, timedelta(minutes=settings.api_claim_minutes)),
            default_actions := DefaultActions(databases.listings, labels),
            ReviewRouteService(listings),
            ReviewService(listings),
            NoteService(listings, personal_data),
            SavedSearchService(listings),
            RuleService(statistics, settings.labels_topic),
            WhatIfService(
                statistics, settings.event_decoder(), personal_data, settings.orders_topic, settings.labels_topic
            ),
            EntityService(statistics, personal_data),
            LinkService(statistics, personal_data),
            explanations := ExplanationService(settings, database, statistics, personal_data),
            BacktestService(settings, database, listings, processes, open_requests, personal_data),
            RulesetService(settings, listings, statistics, processes, personal_data),
            KeyService(database, keys, sessions),
        ):
            services.add(service)
        services.add(
            SessionService(database, sessions, CookieSettings(settings.api_session_hours, settings.api_secure_cookies))
        )
        services.add(HealthService(databases.health, lag))
        _watch(metrics, databases, long_poll, streams, (listings, statistics))
        queue_metrics = ReviewQueueMetrics(queue)
        metrics.add_collector(queue_metrics, queue_metrics.refresh)
        try:
            async with (
                watch_for_shutdown(url, databases.leave, listener.leave),
                default_actions.in_background(enabled=settings.api_default_actions),
            ):
                yield services
        finally:
            long_poll.close()
            await streams.close()
            await listener.close()
            await asyncio.gather(dead_letters.close(), labels.close(), explanations.close(), processes.close())
            await lag.close()


def _is_recently_valid(request: Request) -> bool:
    return authentication_of(request).is_recently_valid(request)


def _watch(
    metrics: ApiMetrics,
    databases: Databases,
    long_poll: OrderLongPoll,
    streams: DecisionStreams,
    pools: Sequence[FairPool],
) -> None:
    metrics.watch("waiting_requests", "Requests that wait for an order", lambda: long_poll.count)
    metrics.watch("decision_streams", "Open streams of decisions", lambda: streams.count)
    metrics.watch("pool_connections", "Open connections to Postgres", lambda: databases.connections[0])
    metrics.watch("pool_connections_in_use", "Of these, in use", lambda: databases.connections[1])
    metrics.watch(
        "queued_requests",
        "Costly requests that wait for their turn",
        lambda: sum(pool.turns.waiting for pool in pools),
    )
