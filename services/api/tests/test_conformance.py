"""Property tests of the running API against its own document: no status, header or body that it does not declare.

ORDERWATCH_CONFORMANCE_EXAMPLES sets how many random requests each operation gets with a key, beside its examples and
every value at its bounds; ten times as many walks follow links: of forty, six reach an order.
"""

import asyncio
import copy
import os
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.cookiejar import DefaultCookiePolicy
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import asyncpg
import pytest
import requests
import schemathesis
import uvicorn
from hypothesis import settings
from pydantic import SecretStr
from schemathesis.specs.openapi.checks import positive_data_acceptance

from decision_engine.ruleset import load_ruleset
from order_api.app import create_app
from order_api.auth.keys import create_key
from order_api.http.server import listen
from order_api.settings import ApiSettings
from order_contract.decision import OrderRow
from order_platform.postgres.migrations import upgrade
from order_platform.postgres.ruleset_versions import record_ruleset

pytestmark = [
    pytest.mark.integration,
    # Hypothesis compares the state of `random` before and after it makes a case; the API runs in another thread.
    pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies"),
]
EXAMPLES = int(os.environ.get("ORDERWATCH_CONFORMANCE_EXAMPLES", "4"))
# Longer than any pause between two requests, which is when Hypothesis makes cases.
KEPT_SECONDS = 600
# Nearly every request without a key gets the same response.
EXAMPLES_WITHOUT_A_KEY = 2
DOCUMENT = create_app(ApiSettings()).openapi()
api = schemathesis.openapi.from_dict(DOCUMENT)
# Examples and every value at its bounds are sent with a key.
random_alone = schemathesis.Config.from_dict(
    {"phases": {"coverage": {"enabled": False}, "examples": {"enabled": False}}}
)
api_without_a_key = schemathesis.openapi.from_dict(DOCUMENT, config=random_alone)


CONTRADICTING = [
    ("from", "to"), ("min_amount", "max_amount"), ("outcome", "status"), ("flagged", "outcome"), ("flagged", "status"),
]  # fmt: skip
RULES = sorted(rule.id for rule in load_ruleset().rules)
# A range that begins in the future holds nothing.
WITH_DEFAULT_END = {"/v1/stats", "/v1/rules/performance", "/v1/rules/overlaps", "/v1/rules/operating-points"}


@schemathesis.hook
def filter_query(context: schemathesis.HookContext, query: dict[str, Any] | None) -> bool:
    """Leave out queries of which a part never gets into a URL (an empty list): what arrives is not what was meant."""
    url = str(requests.Request("GET", "http://localhost", params=query).prepare().url)
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)).keys() == (query or {}).keys()


def excluded_checks(case: schemathesis.Case[Any]) -> list[Any]:
    """What a schema cannot say: filters that can never match together are refused, and rules that never decided."""
    query = case.query or {}
    pairs = [*CONTRADICTING, *([("from",)] if case.operation.path in WITH_DEFAULT_END else [])]
    is_refused = any(set(pair) <= query.keys() for pair in pairs) or query.get("rule", RULES[0]) not in RULES
    return [positive_data_acceptance] if is_refused else []


class Served(NamedTuple):
    """A running API with some orders, a key for it, and a client of it."""

    address: str
    key: str
    session: requests.Session


@pytest.fixture(scope="module")
def served(postgres: str, order: Any, healthy_lag: Any) -> Iterator[Served]:
    """The API on a database of its own, served from another thread over real HTTP."""
    url, key = asyncio.run(_prepare(postgres, order))
    # Streams end soon: there is nothing more to see in long ones.
    app = create_app(ApiSettings(database_url=SecretStr(url), api_stream_seconds=0.1), healthy_lag.open)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, ws="none", lifespan="on", timeout_keep_alive=KEPT_SECONDS
    )
    server = uvicorn.Server(config)
    with listen("127.0.0.1", 0) as listening, _session() as session:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield Served(f"http://127.0.0.1:{listening.getsockname()[1]}", key, session)
        server.should_exit = True
        thread.join()


def _session() -> requests.Session:
    """A client that keeps its connection, as a new one for each request costs much, and nothing else of a request."""
    session = requests.Session()
    session.trust_env = False
    session.headers.clear()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


async def _prepare(server: str, order: Any) -> tuple[str, str]:
    """A database with orders, and a key that may read them."""
    name = f"conformance_{uuid4().hex[:12]}"
    connection = await asyncpg.connect(server)
    await connection.execute(f"create database {name}")
    await connection.close()
    url = f"{server.rpartition('/')[0]}/{name}"
    await upgrade(url)
    connection = await asyncpg.connect(url)
    now = datetime.now(UTC)
    rows = [
        order(
            f"o{number}",
            flagged=number % 3 == 0,
            user_id=f"user/{number % 3}",
            created_date=now - timedelta(minutes=number),
        )
        for number in range(100)
    ]
    await record_ruleset(connection, rows[0].ruleset_version, load_ruleset().content)
    await connection.copy_records_to_table("orders", records=rows, columns=OrderRow._fields)
    _, key = await create_key(connection, "test", "read")
    await connection.close()
    return url, key


@api.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
def test_with_a_key(case: schemathesis.Case[Any], served: Served) -> None:
    shorten_wait(case)
    case.call_and_validate(
        base_url=served.address,
        session=served.session,
        headers={"Authorization": f"Bearer {served.key}"},
        excluded_checks=excluded_checks(case),
    )


@api_without_a_key.parametrize()
@settings(max_examples=EXAMPLES_WITHOUT_A_KEY, deadline=None, derandomize=True)
def test_without_a_key(case: schemathesis.Case[Any], served: Served) -> None:
    shorten_wait(case)
    case.call_and_validate(base_url=served.address, session=served.session)


def shorten_wait(case: schemathesis.Case[Any]) -> None:
    """Waits are as short as they can be, in the document's own examples too: there is nothing to see in long ones."""
    if re.fullmatch("[0-9]+(ms|s)", str((case.query or {}).get("wait"))):
        case.query["wait"] = "1ms"


# Parameters of the query that links fill in.
LINKED = {"user_id", "product_id", "cursor"}


def leave_out_filters(document: dict[str, Any]) -> dict[str, Any]:
    """The document without other parameters of queries: filters made up at random match nothing, and a page without
    orders leads nowhere.
    """
    reduced = copy.deepcopy(document)
    for path in reduced["paths"].values():
        for operation in path.values():
            operation["parameters"] = [
                each for each in operation.get("parameters", []) if each["in"] != "query" or each["name"] in LINKED
            ]
    return reduced


around_orders = schemathesis.openapi.from_dict(leave_out_filters(DOCUMENT)).include(
    path_regex="^/$|^/v1/(orders|flags|users|stats|session)"
)


def test_links_between_operations_hold(served: Served) -> None:
    """From answer to answer, as the document's links lead: order, user, the user's orders, the next page, and so on."""
    followed: set[str] = set()

    class Walk(around_orders.as_state_machine()):  # type: ignore[misc]  # made at run time
        def get_call_kwargs(self, case: schemathesis.Case[Any]) -> dict[str, Any]:
            headers = {"Authorization": f"Bearer {served.key}"}
            return {"base_url": served.address, "session": served.session, "headers": headers}

        def after_call(self, response: Any, case: schemathesis.Case[Any]) -> None:
            if response.status_code < 300:
                followed.add(case.operation.definition.raw["operationId"])

    Walk.run(settings=settings(max_examples=10 * EXAMPLES, stateful_step_count=8, deadline=None, derandomize=True))
    assert {"get_order", "get_user", "list_orders", "list_flags"} <= followed
