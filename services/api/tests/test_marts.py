"""`/v1/marts`: what the batch side published, described and page by page."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from order_api.http.problems.requests import MAX_ERRORS
from order_contract.business_time import business_date, business_date_start

Publish = Callable[..., Awaitable[None]]
# Longer than a name in Postgres, 63 bytes.
DESCRIPTION = "Key: the user who ordered, as the event has it, and as every other table of the warehouse has it."


@pytest.fixture
def publish(connection: asyncpg.Connection) -> Publish:
    """Publishes a mart as the batch side does, with so many rows."""

    async def publish_mart(rows: int, name: str = "mart_users") -> None:
        async with connection.transaction():
            await connection.execute(f"drop table if exists marts.{name}")
            await connection.execute(
                f"create table marts.{name} as select n as position, 'u' || n as user_id, n * 10 as total_orders, "
                "n / 2.0 as share, n * 1.5::float8 as score, timestamptz '2026-11-22 03:15Z' as published, "
                "timestamp '2026-11-22 00:30' as latest_order, "
                f"date '2026-11-22' as day, n % 2 = 0 as even, null::text as name from generate_series(1, {rows}) as n"
            )
            await connection.execute(f"create index on marts.{name} (user_id, position)")
            await connection.execute(f"create index on marts.{name} (day, position)")
            await connection.execute(f"comment on column marts.{name}.user_id is '{DESCRIPTION}'")
            await connection.execute(
                "insert into published_marts (name, description, rows, publication) values ($1, 'Users.', $2, $3) "
                "on conflict (name) do update set rows = excluded.rows, publication = excluded.publication",
                name, rows, uuid.uuid4(),
            )  # fmt: skip

    return publish_mart


async def test_before_the_first_run_there_are_none(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/marts")).json() == {"items": []}
    answer = await client.get("/v1/marts/mart_users")
    assert (answer.status_code, answer.json()["code"]) == (404, "mart-unknown")


async def test_marts_are_described(client: httpx.AsyncClient, publish: Publish) -> None:
    await publish(3)
    (mart,) = (await client.get("/v1/marts")).json()["items"]
    assert (mart["name"], mart["description"], mart["rows"]) == ("mart_users", "Users.", 3)
    assert {column["name"]: column["type"] for column in mart["columns"]} == {
        "user_id": "string", "total_orders": "integer", "share": "number", "score": "number",
        "published": "date-time", "latest_order": "date-time", "day": "date", "even": "boolean", "name": "string",
    }  # fmt: skip
    assert mart["complete"] is True
    # Columns of text that an index begins with.
    assert mart["filters"] == ["user_id"]
    assert mart["columns"][0] == {"name": "user_id", "type": "string", "description": DESCRIPTION}


async def test_a_mart_says_up_to_which_date_it_has_data_and_when_it_was_published(
    client: httpx.AsyncClient, publish: Publish, connection: asyncpg.Connection
) -> None:
    await publish(3)
    (mart,) = (await client.get("/v1/marts")).json()["items"]
    assert mart["data_up_to"] is None
    await connection.execute(
        "insert into published_partitions values ('orders', '2026-11-20', 3, 1), ('orders', '2026-11-19', 3, 1), "
        "('users', '2026-11-01', 3, 1), ('products', '2026-12-01', 3, 1)"
    )
    await connection.execute("update published_marts set published_at = '2026-11-20 18:05:00Z'")
    (mart,) = (await client.get("/v1/marts")).json()["items"]
    assert (mart["data_up_to"], mart["published_at"]) == ("2026-11-20", "2026-11-20T18:05:00Z")
    assert (await client.get("/v1/marts/mart_users")).json()["mart"] == mart


async def test_dates_with_orders_say_how_many_of_them_the_marts_hold(
    client: httpx.AsyncClient, connection: asyncpg.Connection, store: Any, order: Any
) -> None:
    assert (await client.get("/v1/batch-dates")).json() == {"items": []}
    today = business_date(datetime.now(UTC))
    ends = [business_date_start(today - timedelta(days=days)) for days in range(20)]
    moment = timedelta(microseconds=1)
    await store(  # the last and the first moment of a date each; today and 15 days ago are not listed
        *(order(f"o{days}", created_date=ends[days] - moment) for days in (2, 15)),
        *(order(f"p{days}", created_date=ends[days]) for days in (0, 1, 4)),
    )
    await connection.executemany(
        "insert into published_partitions values ('orders', $1, $2, 1)",
        [(today - timedelta(days=days), rows) for days, rows in ((4, 7), (6, 9), (7, 0), (16, 5))],
    )
    assert (await client.get("/v1/batch-dates")).json()["items"] == [
        {"business_date": str(today - timedelta(days=days)), "published_orders": rows}
        for days, rows in ((1, None), (3, None), (4, 7), (6, 9))
    ]


async def test_rows_are_typed(client: httpx.AsyncClient, publish: Publish) -> None:
    await publish(1)
    page = (await client.get("/v1/marts/mart_users")).json()
    assert page["items"] == [
        {
            "user_id": "u1", "total_orders": 10, "share": 0.5, "score": 1.5, "published": "2026-11-22T03:15:00Z",
            "latest_order": "2026-11-21T17:30:00Z", "day": "2026-11-22", "even": False, "name": None,
        }
    ]  # fmt: skip
    assert page["next"] is None
    assert page["mart"]["rows"] == 1


@pytest.mark.parametrize(("rows", "limit"), [(7, 3), (6, 3), (1, 1), (0, 5)])
async def test_pages_hold_every_row_once(client: httpx.AsyncClient, publish: Publish, rows: int, limit: int) -> None:
    await publish(rows)
    url: str | None = f"/v1/marts/mart_users?limit={limit}"
    found: list[str] = []
    while url is not None:
        answer = await client.get(url)
        found += [row["user_id"] for row in answer.json()["items"]]
        url = answer.links.get("next", {}).get("url")
        assert (url is None) == (answer.json()["next"] is None)
    assert found == [f"u{number}" for number in range(1, rows + 1)]


async def test_a_cursor_ends_with_its_publication(client: httpx.AsyncClient, publish: Publish) -> None:
    await publish(5)
    cursor = (await client.get("/v1/marts/mart_users?limit=2")).json()["next"]
    await publish(5)
    answer = await client.get("/v1/marts/mart_users", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (404, "cursor-unknown")


async def publish_pairs(connection: asyncpg.Connection, name: str = "mart_pairs") -> None:
    """A mart of users and products: three products of each of forty users, the largest sums first."""
    async with connection.transaction():
        await connection.execute(
            f"create table marts.{name} as select n as position, 'u' || n % 40 as user_id, 'p' || n % 3 as product_id, "
            "case n % 2 when 0 then 'GoPay' else 'Cash' end as payment_method, 'x' as email, "
            f"{BEYOND_DOUBLES} - n as total_amount, n as total_orders from generate_series(1, 120) as n"
        )
        for column in ("user_id", "product_id", "payment_method", "email"):
            await connection.execute(f"create index on marts.{name} ({column}, position)")
        await connection.execute(
            "insert into published_marts (name, description, rows, publication) values ($1, 'Pairs.', 120, $2)",
            name, uuid.uuid4(),
        )  # fmt: skip


# An even number; the odd one before it is none that a double can be.
BEYOND_DOUBLES = 11_999_999_999_999_936


@pytest.mark.parametrize(
    ("query", "positions"),
    [
        ("user_id=u7", [7, 47, 87]),
        ("product_id=p1", range(1, 121, 3)),
        ("user_id=u7&product_id=p2", [47]),
        ("payment_method=gopay&user_id=u8", [8, 48, 88]),
        ("payment_method=cash&user_id=u8", []),
        ("user_id=unknown", []),
    ],
)
async def test_filters_leave_the_rows_of_a_key_in_the_order_of_the_mart(
    client: httpx.AsyncClient, connection: asyncpg.Connection, query: str, positions: list[int]
) -> None:
    await publish_pairs(connection)
    url: str | None = f"/v1/marts/mart_pairs?{query}&limit=2"
    found: list[int] = []
    while url is not None:
        answer = await client.get(url)
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["items"]) == min(2, len(positions) - len(found))
        found += [row["total_orders"] for row in answer.json()["items"]]
        url = answer.links.get("next", {}).get("url")
    assert found == list(positions)


@pytest.mark.parametrize("query", ["total_orders=3", "status=Blacklist", "user=u7", "user_id=u7&limt=5", "position=1"])
async def test_an_unknown_filter_is_refused_with_those_that_the_mart_has(
    client: httpx.AsyncClient, connection: asyncpg.Connection, query: str
) -> None:
    await publish_pairs(connection)
    answer = await client.get(f"/v1/marts/mart_pairs?{query}")
    (error,) = answer.json()["errors"]
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
    assert error["field"] == query.rpartition("&")[2].partition("=")[0]
    assert error["message"] == (
        "is not a filter of mart_pairs: filter it by user_id and product_id and payment_method and email"
    )


async def test_of_many_unknown_filters_the_first_are_named(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    await publish_pairs(connection)
    answer = await client.get("/v1/marts/mart_pairs?" + "&".join(f"p{number}=\N{SNOWMAN}" for number in range(50)))
    problem = answer.json()
    assert (answer.status_code, len(problem["errors"])) == (422, MAX_ERRORS)
    assert problem["detail"].endswith("; and 30 more")


async def test_a_mart_without_keys_has_no_filters(client: httpx.AsyncClient, connection: asyncpg.Connection) -> None:
    await publish_pairs(connection)
    for name in ("user_id", "product_id", "payment_method", "email"):
        await connection.execute(f"drop index marts.mart_pairs_{name}_position_idx")
    answer = await client.get("/v1/marts/mart_pairs?user_id=u7")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["message"] == "is not a filter of mart_pairs: it has none"


@pytest.mark.parametrize(
    "query", ["user_id=", "user_id=u1&user_id=u2", "user_id=%00", "other=%00", f"user_id={'u' * 65}", "integers=text"]
)
async def test_values_that_no_filter_can_have_are_refused(
    client: httpx.AsyncClient, connection: asyncpg.Connection, query: str
) -> None:
    await publish_pairs(connection)
    answer = await client.get(f"/v1/marts/mart_pairs?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")


async def test_a_cursor_belongs_to_its_filters(client: httpx.AsyncClient, connection: asyncpg.Connection) -> None:
    await publish_pairs(connection)
    cursor = (await client.get("/v1/marts/mart_pairs?user_id=u7&limit=1")).json()["next"]
    for query in ("user_id=u8", "user_id=u7&product_id=p1", ""):
        answer = await client.get(f"/v1/marts/mart_pairs?{query}", params={"cursor": cursor})
        assert (answer.status_code, answer.json().get("code")) == (404, "cursor-unknown"), query


async def test_integers_are_exact_as_numbers_and_as_text(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    await publish_pairs(connection)
    numbers = await client.get("/v1/marts/mart_pairs?user_id=u1&limit=1")
    assert f'"total_amount":{BEYOND_DOUBLES - 1},"total_orders":1}}' in numbers.text
    texts = await client.get("/v1/marts/mart_pairs?user_id=u1&limit=1&integers=string")
    assert f'"total_amount":"{BEYOND_DOUBLES - 1}","total_orders":"1"}}' in texts.text
    assert int(float(BEYOND_DOUBLES - 1)) != BEYOND_DOUBLES - 1


@pytest.mark.parametrize("name", ["pg_class", "new_mart_users", "Robert'); drop table orders;--", "x" * 64])
async def test_only_published_marts_can_be_named(client: httpx.AsyncClient, publish: Publish, name: str) -> None:
    await publish(1)
    assert (await client.get(f"/v1/marts/{name}")).status_code in {404, 422}
