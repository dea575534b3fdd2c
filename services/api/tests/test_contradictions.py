"""Filters that can never match are refused, with what to write instead; all others are not."""

import itertools
import re
from typing import Any

import asyncpg
import httpx
import pytest
from pydantic import TypeAdapter

from order_api.kit.query_parameters import Country, Currency
from order_contract.reference_data import COUNTRIES, CURRENCIES

pytestmark = pytest.mark.integration

NOON = "2026-11-22T12:00:00"
LATER = "2026-11-22T13:00:00"

REFUSED = [
    ("/v1/orders?country=UK", "country", "write GB"),
    ("/v1/flags?country=indonesia", "country", "write ID"),
    ("/v1/orders?country=ZZ", "country", "is not an ISO 3166 alpha-2 code"),
    ("/v1/orders?currency=Rp", "currency", "write IDR"),
    ("/v1/orders?currency=XXQ", "currency", "is not an ISO 4217 code"),
    (f"/v1/orders?from={LATER}&to={NOON}", "to", "is not after `from` (2026-11-22T06:00:00+00:00)"),
    (f"/v1/flags?from={NOON}&to={NOON}", "to", "is not after"),
    (f"/v1/stats?from={LATER}&to={NOON}", "to", "is not after"),
    ("/v1/stats?from=2999-01-01", "from", "is not before now"),
    (f"/v1/dead-letters?from={LATER}&to={NOON}", "to", "is not after"),
    ("/v1/orders?min_amount=2&max_amount=1", "max_amount", "write 2 or more"),
    ("/v1/orders?outcome=approve&status=fraud", "status", "write genuine"),
    ("/v1/orders?outcome=review&status=genuine", "status", "write fraud"),
    ("/v1/decisions/stream?flagged=true&outcome=approve", "flagged", "write false"),
    ("/v1/decisions/stream?flagged=false&outcome=decline", "flagged", "write true"),
    ("/v1/decisions/stream?flagged=false&status=fraud", "flagged", "write true"),
    ("/v1/decisions/stream?status=fraud&outcome=approve", "status", "write genuine"),
    ("/v1/orders?rule=foreign-contry", "rule", "write foreign-country"),
    ("/v1/flags?rule=nothing-like-it", "rule", "there are foreign-country, old-rule, second"),
    ("/v1/decisions/stream?rule=Foreign-Country", "rule", "write foreign-country"),
]
TAKEN = [
    "/v1/orders?country=gb&currency=idr",
    "/v1/orders?payment_method=unknown-wallet",
    f"/v1/orders?from={NOON}&to={LATER}",
    "/v1/orders?from=2999-01-01",
    "/v1/orders?min_amount=1&max_amount=1",
    "/v1/orders?outcome=approve&status=genuine",
    "/v1/orders?outcome=decline&status=fraud",
    "/v1/flags?rule=foreign-country",
    "/v1/orders?rule=old-rule",
    "/v1/orders?rule=second",
    f"/v1/stats?to={NOON}",
]
RULESETS = [
    ("v1", "rules:\n  - id: old-rule\n    when: amount > 1\n"),
    ("v2", 'rules:\n  - {description: x, id: foreign-country}\n  - {"id": "second"}\n'),
]


@pytest.fixture
async def admin(serve: Any, connection: asyncpg.Connection) -> Any:
    await connection.executemany("insert into rulesets (version, content) values ($1, $2)", RULESETS)
    async with serve("admin", api_stream_seconds=0.1) as client:
        yield client


async def test_filters_that_can_never_match(admin: httpx.AsyncClient) -> None:
    for path, field, message in REFUSED:
        response = await admin.get(path)
        assert response.status_code == 422, path
        (error,) = response.json()["errors"]
        assert error["field"] == field, path
        assert message in error["message"], (path, error["message"])


async def test_filters_that_can(admin: httpx.AsyncClient) -> None:
    for path in TAKEN:
        assert (await admin.get(path)).status_code == 200, path


async def test_all_contradictions_are_named_at_once(admin: httpx.AsyncClient) -> None:
    query = f"from={LATER}&to={NOON}&min_amount=2&max_amount=1&outcome=approve&status=fraud"
    errors = (await admin.get(f"/v1/orders?{query}")).json()["errors"]
    assert [error["field"] for error in errors] == ["to", "max_amount", "status"]


async def test_a_rule_is_known_from_the_first_order_that_it_decided(
    admin: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    assert (await admin.get("/v1/flags?rule=brand-new")).status_code == 422
    await connection.execute("insert into rulesets (version, content) values ('v3', 'rules: [{id: brand-new}]')")
    assert (await admin.get("/v1/flags?rule=brand-new")).status_code == 200


async def test_before_the_first_order_any_rule_will_do(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/flags?rule=whatever")).status_code == 200


@pytest.mark.parametrize(("kind", "codes", "length"), [(Country, COUNTRIES, 2), (Currency, CURRENCIES, 3)])
def test_the_document_takes_just_what_is_taken(kind: Any, codes: frozenset[str], length: int) -> None:
    pattern = re.compile(TypeAdapter(kind).json_schema()["pattern"])
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    made = {"".join(code) for code in itertools.product(letters, repeat=length)}
    assert {code for code in made if pattern.search(code)} == codes
    assert all(pattern.search(code.lower()) for code in codes)
    assert not pattern.search("")
