"""CPU of a backtest in microseconds per order, without history features and with ten, from Postgres on one core."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from decision_engine.ruleset import load_ruleset
from order_backtests.postgres_source import Span
from order_backtests.runner import Plan, run_here
from order_contract.business_time import business_date_start
from order_platform.settings import DatabaseSettings
from tests.benchmarks.stack import Stack
from tests.support.past_orders import store_past_orders

Progress = Callable[[str], None]

FIRST = date(2026, 11, 1)
DAYS = 10
TEN_FEATURES = """
review_at: 50
decline_at: 90
features:
  user_orders: {aggregate: count, key: user_id, window: 30d}
  user_spent: {aggregate: sum, field: amount, key: user_id, window: 30d}
  user_average: {aggregate: avg, field: amount, key: user_id, window: 30d}
  user_last: {aggregate: seconds_since_last, key: user_id, window: 30d}
  device_orders: {aggregate: count, key: device_id, window: 30d}
  device_users: {aggregate: distinct, field: user_id, key: device_id, window: 30d}
  device_largest: {aggregate: max, field: amount, key: device_id, window: 30d}
  address_users: {aggregate: distinct, field: user_id, key: ip_address, window: 30d}
  address_orders: {aggregate: count, key: ip_address, window: 30d}
  product_orders: {aggregate: count, key: product_id, window: 30d}
rules:
  - {id: busy, description: Busy., when: user_orders > 30 or device_users > 5, severity: low, score: 50}
  - {id: large, description: Large., when: amount > 300_000_000 and user_average < 9_000_000, severity: low, score: 40}
"""


@dataclass(frozen=True, slots=True)
class BacktestCost:
    """CPU of the backtest's process, and of Postgres, in microseconds per order."""

    plain: float
    plain_postgres: float
    ten_features: float
    ten_features_postgres: float


async def measure_backtest(stack: Stack, orders: int, progress: Progress) -> BacktestCost:
    """Decide as many stored orders twice."""
    async with stack.place() as place:
        progress(f"backtest: {orders:,} orders to Postgres")
        await store_past_orders(place.database_url, FIRST, DAYS, orders)
        settings = DatabaseSettings.model_validate({"database_url": place.database_url})
        since = business_date_start(FIRST)
        span = Span("orders", since, since + timedelta(days=DAYS))
        measured: list[float] = []
        for content in (load_ruleset().content, TEN_FEATURES):
            progress("backtest")
            postgres, own = stack.postgres_cpu(), time.process_time()
            tally = await asyncio.to_thread(run_here, settings, Plan(span, "labels", content, None), _ignore)
            assert tally.orders == orders
            spent = time.process_time() - own, stack.postgres_cpu() - postgres
            measured += [1e6 * seconds / orders for seconds in spent]
    return BacktestCost(*measured)


def _ignore(_: int) -> None:
    """Progress of no interest."""
