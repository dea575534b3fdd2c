"""`/v1/marts`: what the batch side published, described and page by page."""

import uuid
from collections.abc import Awaitable, Callable

import asyncpg
import httpx
import pytest

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
    assert mart["columns"][0] == {"name": "user_id", "type": "string", "description": DESCRIPTION}


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


@pytest.mark.parametrize("name", ["pg_class", "new_mart_users", "Robert'); drop table orders;--", "x" * 64])
async def test_only_published_marts_can_be_named(client: httpx.AsyncClient, publish: Publish, name: str) -> None:
    await publish(1)
    assert (await client.get(f"/v1/marts/{name}")).status_code in {404, 422}
