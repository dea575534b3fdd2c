"""Alerts about the data's quality, from orders in Postgres to a message at the webhook."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest

from order_batch.app import open_pipeline, open_quality_checks
from order_batch.quality.checks import Band, DayFigures, check_orders
from order_batch.quality.service import AlertNotDeliveredError
from order_batch.settings import BatchSettings

from .conftest import StoreOrders
from .webhook import Webhook, serve_webhook

DAY = date(2026, 11, 20)
LINK = "http://127.0.0.1:8080/log"


@pytest.fixture
def webhook(settings: BatchSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    """The webhook that the settings name."""
    with serve_webhook() as served:
        monkeypatch.setenv("ORDERWATCH_FAILURE_WEBHOOK", served.url)
        yield served


@pytest.fixture
def history(connection: "psycopg.Connection[Any]", webhook: Webhook, store_orders: StoreOrders) -> None:
    """Ten dates of 100 orders each, every tenth of them fraud, and the last of them DAY; all users are known."""
    store_orders(DAY - timedelta(days=20), 1, 1)
    connection.execute("create temporary table one as select * from orders limit 1")
    connection.execute("delete from orders")
    for number in range(10):
        add_orders(connection, DAY - timedelta(days=number), 100, 10)
    connection.execute(
        "insert into users select user_id, '2023-01-01', 'A', 'B', 'a@b', 'OVO', 'Medan', '2023-01-01' from one"
    )
    connection.execute(
        "insert into products select product_id, '2023-01-01', 'Pen', 'Office', 1, '2023-01-01' from one"
    )


def add_orders(
    connection: "psycopg.Connection[Any]", day: date, count: int, fraud: int, user: str | None = None
) -> None:
    """Store orders of a date, the first of them decided as fraud."""
    first = connection.execute("select coalesce(max(source_offset), 0) + 1 from orders").fetchall()[0][0]
    connection.execute("create temporary table new as select one.* from one, generate_series(1, %s)", [count])
    connection.execute(
        """
        update new set order_id = %(day)s || '-' || numbered.place, source_offset = numbered.place,
            created_date = (%(day)s::date + interval '12 hours') at time zone 'Asia/Jakarta',
            status = case when numbered.place < %(first)s + %(fraud)s then 'fraud' else 'genuine' end,
            outcome = case when numbered.place < %(first)s + %(fraud)s then 'decline' else 'approve' end,
            user_id = coalesce(%(user)s, user_id)
        from (select ctid as row, %(first)s - 1 + row_number() over () as place from new) as numbered
        where new.ctid = numbered.row
        """,
        {"day": str(day), "first": first, "fraud": fraud, "user": user},
    )
    connection.execute("insert into orders select * from new")
    connection.execute("drop table new")


def check(day: date = DAY) -> None:
    """The checks of orders, with the settings of the environment."""
    with open_quality_checks(LINK, BatchSettings()) as checks:
        checks.report(checks.orders(day))


def test_a_day_like_the_others_sends_nothing(history: None, webhook: Webhook) -> None:
    check()
    assert webhook.messages == []


def test_a_day_without_orders(history: None, webhook: Webhook) -> None:
    check(DAY + timedelta(days=1))
    (message,) = webhook.messages
    assert message.startswith(
        "2026-11-21: no orders; the 10 dates before it had 100 as their median\n"
        "What to do: look at `make lag` and `make status`"
    )
    assert message.endswith(LINK)


@pytest.mark.parametrize(("orders", "told"), [(30, "30 orders; expected are 60 to 140"), (200, "200 orders")])
def test_volume_outside_its_band(
    history: None,
    webhook: Webhook,
    connection: "psycopg.Connection[Any]",
    orders: int,
    told: str,
) -> None:
    tomorrow = DAY + timedelta(days=1)
    add_orders(connection, tomorrow, orders, orders // 10)
    check(tomorrow)
    (message,) = webhook.messages
    assert told in message
    assert "the median of 100 of 10 dates before it" in message
    assert "What to do: too few: `make lag`" in message


def test_fraud_share_outside_its_band(history: None, webhook: Webhook, connection: "psycopg.Connection[Any]") -> None:
    tomorrow = DAY + timedelta(days=1)
    add_orders(connection, tomorrow, 100, 60)
    check(tomorrow)
    (message,) = webhook.messages
    assert "60.0% of 100 orders decided as fraud; expected are 0.0% to 22.0%" in message
    assert "What to do: was the ruleset changed?" in message


def test_unknown_users_and_products(history: None, webhook: Webhook, connection: "psycopg.Connection[Any]") -> None:
    add_orders(connection, DAY, 2, 0, "a stranger")
    connection.execute("delete from products")
    check()
    users, products = webhook.messages
    assert "2 of 102 orders (2.0%) are of users that the catalog does not have; at most 1% are expected" in users
    assert "102 of 102 orders (100.0%) are of products" in products
    for message in (users, products):
        assert "What to do: run the DAG `catalog`" in message


def test_an_alert_is_sent_once_per_check_and_date(history: None, webhook: Webhook) -> None:
    for _ in range(2):
        check(DAY + timedelta(days=1))
    assert len(webhook.messages) == 1
    check(DAY + timedelta(days=2))
    assert len(webhook.messages) == 2


def test_an_alert_that_was_not_delivered_is_sent_again(history: None, webhook: Webhook) -> None:
    webhook.status = 503
    with pytest.raises(AlertNotDeliveredError, match="no-orders of 2026-11-21"):
        check(DAY + timedelta(days=1))
    webhook.status = 200
    check(DAY + timedelta(days=1))
    assert len(webhook.messages) == 1


def test_a_new_system_sends_nothing(webhook: Webhook) -> None:
    check()
    with open_quality_checks(LINK, BatchSettings()) as checks:
        checks.report(checks.deadline(DAY, "02:00"))
    assert webhook.messages == []


def check_deadline() -> None:
    """The check of the deadline, with the settings of the environment."""
    with open_quality_checks(LINK, BatchSettings()) as checks:
        checks.report(checks.deadline(DAY, "02:00"))


def publish_what_was_loaded(connection: "psycopg.Connection[Any]") -> None:
    """Let Postgres say that the marts are made from the last load of each table."""
    connection.execute("delete from published_partitions")
    connection.execute(
        "insert into published_partitions select table_name, partition_start, 100, content_hash from warehouse_loads"
    )


def test_marts_that_are_not_there_by_the_deadline(
    settings: BatchSettings, history: None, webhook: Webhook, connection: "psycopg.Connection[Any]"
) -> None:
    connection.execute("insert into published_marts values ('mart_users', '', 0, gen_random_uuid())")
    for _ in range(2):
        check_deadline()
    (message,) = webhook.messages
    assert "2026-11-20: its 100 orders are not in the published marts at 02:00 WIB" in message
    assert "What to do: in Airflow, look at the runs of `warehouse_load` and `transform` for the date" in message
    assert "make batch DATE=2026-11-20" in message


def test_the_deadline_is_about_contents_and_not_about_times(
    settings: BatchSettings, history: None, webhook: Webhook, connection: "psycopg.Connection[Any]"
) -> None:
    with open_pipeline(settings) as pipeline:
        pipeline.load_orders(DAY)
        # Marts that are published after the load need not be made from it: its build may have failed.
        connection.execute("insert into published_marts values ('mart_users', '', 0, gen_random_uuid())")
        check_deadline()
        assert len(webhook.messages) == 1

        connection.execute("delete from quality_alerts")
        publish_what_was_loaded(connection)
        check_deadline()
        assert len(webhook.messages) == 1

        connection.execute("update orders set device_id = 'changed'")
        pipeline.load_orders(DAY)
        check_deadline()
        assert len(webhook.messages) == 2

        # The same content, loaded again, is what is published still.
        connection.execute("delete from quality_alerts")
        publish_what_was_loaded(connection)
        pipeline.load_orders(DAY)
        check_deadline()
        assert len(webhook.messages) == 2


def test_a_load_of_an_earlier_release_counts_when_it_was_published(
    settings: BatchSettings, history: None, webhook: Webhook, connection: "psycopg.Connection[Any]"
) -> None:
    with open_pipeline(settings) as pipeline:
        pipeline.load_orders(DAY)
    publish_what_was_loaded(connection)
    connection.execute("update warehouse_loads set content_hash = null")
    check_deadline()
    assert webhook.messages == []
    connection.execute("delete from published_partitions")
    check_deadline()
    assert len(webhook.messages) == 1


def test_old_rows_of_a_raw_table(
    settings: BatchSettings, history: None, webhook: Webhook, connection: "psycopg.Connection[Any]"
) -> None:
    connection.execute("update orders set stored_at = now() - interval '50 hours'")
    with open_pipeline(settings) as pipeline:
        pipeline.load_orders(DAY)
    with open_quality_checks(LINK, BatchSettings()) as checks:
        found = {finding.check: finding.message for finding in checks.freshness(DAY)}
        assert found["freshness-raw.orders"].startswith("raw.orders got its newest row 2 days, ")
        assert "at most 36 hours are expected" in found["freshness-raw.orders"]
        checks.report(checks.freshness(DAY))
    assert any("raw.orders got its newest row" in message for message in webhook.messages)
    assert all("What to do: `make reconcile` says whether" in message for message in webhook.messages)


def test_an_outlier_hardly_moves_the_band() -> None:
    usual = [100.0, 104, 96, 98, 101, 103, 99, 97, 102, 100]
    with_odd_day = Band.of([*usual, 5_000.0], 10)
    assert with_odd_day.center == pytest.approx(100, abs=1)
    assert with_odd_day.high < 150


def test_a_young_system_has_no_band_yet() -> None:
    past = [DayFigures(DAY - timedelta(days=number), 100, 10) for number in range(1, 7)]
    assert list(check_orders(DAY, [*past, DayFigures(DAY, 5_000, 5_000)])) == []
    assert [each.check for each in check_orders(DAY, past)] == ["no-orders"]
