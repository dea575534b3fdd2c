"""Generator of order messages: of past business dates, or of now."""

import secrets
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import accumulate

from marketplace_simulator import World
from marketplace_simulator.fraud_patterns import FraudRuns
from marketplace_simulator.legitimate_orders import LegitimateOrders
from marketplace_simulator.market import Market
from marketplace_simulator.orders import OrderIds, OrderMessage, order_value
from marketplace_simulator.seeded_random import SeededRandom
from order_contract.business_time import BUSINESS_ZONE

# Orders by business hour: quiet before dawn, busy at lunch, busiest after dinner.
HOURLY_WEIGHTS = (18, 11, 7, 5, 6, 12, 22, 34, 46, 58, 66, 70, 74, 68, 60, 56, 54, 56, 64, 80, 88, 78, 56, 32)

_TOTAL = sum(HOURLY_WEIGHTS)
_BOUNDS = tuple(bound / _TOTAL for bound in accumulate(HOURLY_WEIGHTS))
_HOUR_MS = 3_600_000


def day_moments(day: date, count: int, random: SeededRandom) -> Iterator[datetime]:
    """`count` moments of a business date in order, as dense as the hours are busy; to the millisecond."""
    midnight = datetime.combine(day, time(), BUSINESS_ZONE)
    passed = 0.0
    # Each is the minimum of the remaining draws: sorted output without storing it, whatever the count.
    for left in range(count, 0, -1):
        passed = 1.0 - (1.0 - passed) * (1.0 - random.fraction()) ** (1 / left)
        yield midnight + timedelta(milliseconds=_milliseconds(passed))


def _milliseconds(passed: float) -> int:
    """Since midnight, when this share of the day's orders has come in."""
    hour = min(bisect_right(_BOUNDS, passed), len(HOURLY_WEIGHTS) - 1)
    start = _BOUNDS[hour - 1] if hour else 0.0
    into = (passed - start) / (_BOUNDS[hour] - start)
    return min(int((hour + into) * _HOUR_MS), len(HOURLY_WEIGHTS) * _HOUR_MS - 1)


@dataclass(frozen=True, slots=True)
class GeneratorConfig:
    """Parameters of generated orders; the same ones give the same orders. Without a seed they differ each time."""

    world: World
    seed: int | None = None
    fraud_share: float = 0.05
    amounts_as_text: bool = False


class OrderGenerator:
    """Generates one message after another, for moments in ascending order."""

    def __init__(self, config: GeneratorConfig, random: SeededRandom, ids: SeededRandom) -> None:
        market = Market(config.world, random, OrderIds(ids))
        self._legitimate = LegitimateOrders(market)
        self._fraud = FraudRuns(market, config.fraud_share)
        self._amounts_as_text = config.amounts_as_text

    def generate(self, moment: datetime) -> OrderMessage:
        """The order placed at `moment`, in business time."""
        run = self._fraud.next(moment)
        order = (self._legitimate if run is None else run).order(moment)
        return OrderMessage(
            order.user_id.encode(),
            order_value(order, amounts_as_text=self._amounts_as_text),
            order.order_id,
            None if run is None else run.name,
        )


def past_orders(config: GeneratorConfig, start: date, days: int, count: int) -> Iterator[OrderMessage]:
    """`count` orders over the business dates from `start` on: evenly over the days, by the hours' weights within a day.

    A day depends on nothing but the config, its date and its number of orders: generated alone, it is the same.
    """
    seed = secrets.randbits(64) if config.seed is None else config.seed
    for number in range(days):
        day = start + timedelta(days=number)
        orders = count // days + (number < count % days)
        generator = OrderGenerator(config, SeededRandom(seed, "orders", day), SeededRandom(seed, "order-ids", day))
        for moment in day_moments(day, orders, SeededRandom(seed, "moments", day)):
            yield generator.generate(moment)


def live_orders(config: GeneratorConfig, now: Callable[[], datetime], count: int | None) -> Iterator[OrderMessage]:
    """Orders placed at the moment each is asked for; endless without a count.

    With a seed, customers, products and patterns are drawn alike each time, but times differ, and so do the ids:
    two producers that run side by side must not make the same one.
    """
    seed = secrets.randbits(64) if config.seed is None else config.seed
    generator = OrderGenerator(config, SeededRandom(seed, "live"), SeededRandom(secrets.randbits(128), "order-ids"))
    made = 0
    while count is None or made < count:
        yield generator.generate(now())
        made += 1
