"""What the routes work with: opened with the process, closed with it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated, cast

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from order_api import credential_queries, queries
from order_api.costly import Costly
from order_api.credentials import Credentials
from order_api.database import LISTINGS, STATISTICS, Databases, open_databases
from order_api.dead_letters.service import DeadLetterService
from order_api.decisions.stream import DecisionStreams
from order_api.decisions.topic import open_decisions
from order_api.key_ring import KeyRing, Principal, principal_of
from order_api.known_rules import KnownRules
from order_api.lag import LagMonitor, OpenLagSource
from order_api.metrics import Metrics
from order_api.news import News
from order_api.orders.lookups import OrderLookups
from order_api.orders.waiting import OrderWaiting
from order_api.rate_limits import RateLimits
from order_api.sessions.token import looks_like_token
from order_api.settings import ApiSettings
from order_api.stats.memory import CostMemory
from order_api.stats.summary import Counted
from order_api.turns import Turns
from order_contract.notifications import CREDENTIALS_CHANNEL, RECORDED_CHANNEL
from order_platform.postgres.shutdown_watch import leaving_at_shutdown


@dataclass(frozen=True, slots=True)
class Services:
    """One of each for the process."""

    settings: ApiSettings
    databases: Databases
    listings: Costly
    statistics: Costly
    keys: KeyRing
    sessions: KeyRing
    limits: RateLimits
    lag: LagMonitor
    lookups: OrderLookups
    waiting: OrderWaiting
    news: News
    stats: CostMemory[Counted]
    rules: KnownRules
    decisions: DecisionStreams
    dead_letters: DeadLetterService


@asynccontextmanager
async def open_services(settings: ApiSettings, metrics: Metrics, open_lag: OpenLagSource) -> AsyncIterator[Services]:
    """The services. Neither Postgres nor Kafka need be there: each is connected to when it is first asked."""
    async with open_databases(settings.database_url.get_secret_value()) as databases:
        database = databases.lookups

        async def find_key(key_hash: bytes) -> Principal | None:
            news.listen()  # from the first key on: its end is to be noticed
            found = await credential_queries.find_key(database, key_hash)
            return None if found is None else principal_of(found)

        async def find_session(token_hash: bytes) -> Principal | None:
            news.listen()
            found = await credential_queries.find_session(database, token_hash)
            return None if found is None else principal_of(found)

        find_orders, find_dead_letters = partial(queries.orders, database), partial(queries.dead_letters, database)
        waiting = OrderWaiting(find_orders, find_dead_letters)
        decisions = DecisionStreams(open_decisions(settings), settings.api_stream_seconds)
        keys, sessions = KeyRing(find_key), KeyRing(find_session, looks_right=looks_like_token)
        credentials = Credentials(keys, sessions, decisions.recheck)
        news = News(
            settings.database_url.get_secret_value(),
            {RECORDED_CHANNEL: waiting.tell, CREDENTIALS_CHANNEL: credentials.ended},
            credentials.may_have_ended,
        )
        lag = LagMonitor(open_lag)
        # Fewer for a key than there are in all: another key finds one free.
        listings = Costly(databases.listings, Turns(LISTINGS.connections, LISTINGS.connections - 1))
        statistics = Costly(databases.statistics, Turns(STATISTICS.connections, STATISTICS.connections - 1))
        metrics.watch("waiting_requests", "Requests that wait for an order", lambda: waiting.count)
        metrics.watch("decision_streams", "Open streams of decisions", lambda: decisions.count)
        metrics.watch("pool_connections", "Open connections to Postgres", lambda: databases.connections[0])
        metrics.watch("pool_connections_in_use", "Of these, in use", lambda: databases.connections[1])
        metrics.watch(
            "queued_requests",
            "Costly requests that wait for their turn",
            lambda: listings.turns.waiting + statistics.turns.waiting,
        )
        services = Services(
            settings=settings,
            databases=databases,
            listings=listings,
            statistics=statistics,
            keys=keys,
            sessions=sessions,
            limits=RateLimits(settings.api_key_limit, settings.api_guess_limit),
            lag=lag,
            lookups=OrderLookups(find_orders, find_dead_letters),
            waiting=waiting,
            news=news,
            stats=CostMemory(),
            rules=KnownRules(),
            decisions=decisions,
            dead_letters=DeadLetterService(settings, database),
        )
        try:
            async with leaving_at_shutdown(settings.database_url.get_secret_value(), databases.leave, news.leave):
                yield services
        finally:
            waiting.close()
            await decisions.close()
            await news.close()
            await services.dead_letters.close()
            await lag.close()


def services_of(request: HTTPConnection) -> Services:
    """The services of the application that answers `request`."""
    return cast("Services", request.app.state.services)


async def _get_services(request: Request) -> Services:
    return services_of(request)


AllServices = Annotated[Services, Depends(_get_services)]
