"""Staging orders of Postgres for a replay, where that fails."""

import sqlite3
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import asyncpg
import pytest

from decision_engine.ruleset import parse_ruleset
from fraud_detector.replay.sources import Wanted
from fraud_detector.replay.staged_orders import StagedOrder, StagedOrders
from fraud_detector.replay.staging import stage
from order_contract.business_time import business_date_start
from tests.support.past_orders import store_past_orders

pytestmark = pytest.mark.integration

RULESET = parse_ruleset(
    """
review_at: 50
decline_at: 90
features: {orders_of_user_1d: {aggregate: count, key: user_id, window: 1d}}
rules: []
""",
    "rules.yaml",
)


class OrdersOnFullDisk(StagedOrders):
    """Fails to stage orders, either those to be decided again or those before."""

    def __init__(self, path: Path, *, fails_for_decided: bool) -> None:
        super().__init__(path)
        self._fails_for_decided = fails_for_decided

    def add(self, orders: Iterable[StagedOrder]) -> None:
        if any((decision is not None) == self._fails_for_decided for *_, decision in orders):
            raise sqlite3.OperationalError("database or disk is full")


@pytest.mark.parametrize("fails_for_decided", [True, False])
async def test_an_error_while_staging_is_the_one_that_is_raised(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_for_decided: bool
) -> None:
    """The next orders are being read at that moment; the transaction can be ended all the same."""
    monkeypatch.setattr("fraud_detector.replay.postgres_orders.ROWS_AT_ONCE", 10)
    await store_past_orders(database_url, date(2026, 11, 1), 2, 100, ruleset=RULESET)
    second, third = business_date_start(date(2026, 11, 2)), business_date_start(date(2026, 11, 3))
    staged = OrdersOnFullDisk(tmp_path / "orders", fails_for_decided=fails_for_decided)
    connection = await asyncpg.connect(database_url)
    try:
        with pytest.raises(sqlite3.OperationalError, match="disk is full"):
            await stage(connection, None, Wanted("orders", "labels", second, third), staged, lambda _: None)
        assert await connection.fetchval("select 1") == 1
        assert not connection.is_in_transaction()
    finally:
        staged.close()
        await connection.close()
