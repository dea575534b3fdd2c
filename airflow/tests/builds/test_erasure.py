"""`order-batch erase-user`: nothing names the person any more, the books stay, and both sides agree."""

from datetime import date, timedelta
from hashlib import sha256
from typing import Any

import duckdb
import psycopg
import pytest
import structlog
from typer.testing import CliRunner, Result

from order_batch.app import open_pipeline
from order_batch.cli import app
from order_batch.settings import BatchSettings
from tests.conftest import StoreOrders
from tests.test_load import DAYS, FIRST, LAST, dates_to_load, raw

pytestmark = pytest.mark.usefixtures("without_data_tests")

USER, EMAIL, DEVICE = "U-person", "person@mail.example", "device-of-the-person"


@pytest.fixture(autouse=True)
def owner(settings: BatchSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection of the owner beside that of the batch side."""
    monkeypatch.setenv("ORDERWATCH_OWNER_DATABASE_URL", settings.database_url.get_secret_value())


def erase(*options: str) -> Result:
    result = CliRunner().invoke(app, ["erase-user", USER, *options])
    structlog.reset_defaults()
    return result


def make_user(connection: "psycopg.Connection[Any]", days: list[date]) -> None:
    """Let an order of each date be the user's; each has a hit, whose reason names the person."""
    connection.execute("create temporary table theirs (order_id text)")
    for day in days:
        connection.execute(
            "insert into theirs select min(order_id) from orders "
            "where (created_date at time zone 'Asia/Jakarta')::date = %s",
            [day],
        )
    connection.execute(
        "update orders set user_id = %s, email = %s, device_id = %s, ip_address = '10.9.8.7', attributes = %s, "
        "features = %s, hits = %s where order_id in (select order_id from theirs)",
        [
            USER, EMAIL, DEVICE, f'{{"name": "{EMAIL}"}}', f'{{"device": "{DEVICE}"}}',
            f'[{{"rule":"r1","severity":"low","score":10,"mode":"live","reason":"{EMAIL} ordered"}}]',
        ],
    )  # fmt: skip
    connection.execute(
        "insert into users (user_id, valid_from, first_name, last_name, email, default_payment, city, created_date) "
        "values (%s, %s, 'Per', 'Son', %s, 'OVO', 'Bandung', %s)",
        [USER, FIRST, EMAIL, FIRST],
    )
    connection.execute(
        'insert into stream_outcomes (topic, partition, "offset", outcome, order_id, error_type, error) '
        "select 'orders', 9, 1, 'conflict', min(order_id), 'conflict', %s from theirs",
        [f"{EMAIL} differs"],
    )
    connection.execute(
        "insert into notes (subject_kind, subject_id, author, text) "
        "select 'user', %(user)s, 'me', %(text)s union all select 'order', min(order_id), 'me', %(text)s from theirs",
        {"user": USER, "text": f"wrote to {EMAIL}"},
    )


def traces(settings: BatchSettings, connection: "psycopg.Connection[Any]") -> list[str]:
    """Relations that still name the person."""
    found = []
    named = "where t::text like any (array[%s, %s, %s, '%%10.9.8.7%%'])"
    wanted = [f"%{each}%" for each in (USER, EMAIL, DEVICE)]
    tables = connection.execute(
        "select schemaname || '.' || tablename from pg_tables where schemaname in ('public', 'marts')"
    )
    for (table,) in tables.fetchall():
        if connection.execute(f"select from {table} as t {named} limit 1", wanted).fetchone() is not None:
            found.append(table)
    with duckdb.connect(settings.warehouse_path, read_only=True) as warehouse:
        warehouse.execute("set TimeZone = 'UTC'")
        for (table,) in warehouse.execute(
            "select table_schema || '.' || table_name from information_schema.tables"
        ).fetchall():
            rows = str(warehouse.execute(f"select * from {table}").fetchall())
            if any(each in rows for each in (USER, EMAIL, DEVICE, "10.9.8.7")):
                found.append(f"warehouse {table}")
    return found


def totals(settings: BatchSettings) -> list[tuple[Any, ...]]:
    return raw(settings, "select business_date, count(*), sum(amount) from silver.fct_orders group by 1 order by 1")


def test_nothing_names_the_person_and_both_sides_agree(
    settings: BatchSettings, connection: "psycopg.Connection[Any]", store_orders: StoreOrders
) -> None:
    store_orders(FIRST, 3, 300)
    make_user(connection, DAYS)
    with open_pipeline(settings) as pipeline:
        pipeline.load_users(LAST)
        for day in DAYS:
            pipeline.load_orders(day)
        pipeline.build(FIRST, LAST).require_success()
        pipeline.publish()
        retirement = pipeline.retirement()
        retirement.freeze(FIRST + timedelta(days=1))
        assert sum(retirement.remove()) > 0
    before = totals(settings)
    assert {"public.orders", "public.users", "warehouse raw.orders", "warehouse silver.fct_orders"} <= set(
        traces(settings, connection)
    )

    assert erase().exit_code == 2
    result = erase("--yes", "--by", "privacy office")
    assert result.exit_code == 0, result.output
    assert "2 orders and 1 versions" in result.stdout
    assert traces(settings, connection) == []
    assert totals(settings) == before
    with open_pipeline(settings) as pipeline:
        assert dates_to_load(pipeline, FIRST, LAST) == []
        assert sum(pipeline.load_users(LAST).values()) == 0, "its month agrees"
    pseudonyms = raw(settings, "select distinct user_id from raw.orders where user_id like 'erased-%'")
    assert len(pseudonyms) == 1
    assert raw(settings, "select count(*) from raw.orders where user_id like 'erased-%'") == [(3,)]
    recorded = connection.execute(
        "select user_hash, pseudonym, erased_by, finished_at is null from erasures"
    ).fetchall()
    assert recorded == [(sha256(USER.encode()).hexdigest(), None, "privacy office", False)]

    connection.execute(
        "insert into users (user_id, valid_from, first_name, last_name, email, default_payment, city, created_date) "
        "values (%s, now(), 'Per', 'Son', %s, 'OVO', 'Bandung', now())",
        [USER, EMAIL],
    )
    assert traces(settings, connection) == [], "the catalog does not bring the person back"


def test_an_interrupted_erasure_is_finished_under_the_same_pseudonym(
    settings: BatchSettings, connection: "psycopg.Connection[Any]", store_orders: StoreOrders
) -> None:
    store_orders(FIRST, 1, 50)
    make_user(connection, [FIRST])
    with open_pipeline(settings) as pipeline:
        pipeline.load_orders(FIRST)
        erasure = pipeline.erasure()
        erasure.replace(USER, "someone")
        # As if the process had been killed before the warehouse was reached.
        with duckdb.connect(settings.warehouse_path) as warehouse:
            warehouse.execute("update raw.orders set user_id = $1 where user_id like 'erased-%'", [USER])
        assert dates_to_load(pipeline, FIRST, FIRST) == [FIRST]
        erasure.replace(USER, "someone")
        assert dates_to_load(pipeline, FIRST, FIRST) == []
        erasure.finish(USER)
    assert connection.execute("select pseudonym, finished_at is null from erasures").fetchall() == [(None, False)]
