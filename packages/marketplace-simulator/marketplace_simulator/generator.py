"""Messages made of generated orders: of past days, or of now."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from marketplace_simulator import World
from marketplace_simulator.daily_profile import day_moments
from marketplace_simulator.fraud_runs import FraudRuns
from marketplace_simulator.legitimate_orders import Shopping
from marketplace_simulator.market import Market
from marketplace_simulator.message import Message
from marketplace_simulator.order import order_value
from marketplace_simulator.order_ids import OrderIds
from marketplace_simulator.seeded_random import Dice


@dataclass(frozen=True, slots=True)
class Recipe:
    """What generated orders are made of; the same recipe gives the same orders. `seed` None: new ones each time."""

    world: World
    seed: int | None = None
    fraud_share: float = 0.05
    amounts_as_text: bool = False


class OrderMaker:
    """Makes one message after the other, for moments that only go forward."""

    def __init__(self, recipe: Recipe, dice: Dice, ids: Dice) -> None:
        market = Market(recipe.world, dice, OrderIds(ids))
        self._honest = Shopping(market)
        self._fraud = FraudRuns(market, recipe.fraud_share)
        self._amounts_as_text = recipe.amounts_as_text

    def make(self, moment: datetime) -> Message:
        """The order placed at `moment`, in business time."""
        run = self._fraud.next(moment)
        order = (self._honest if run is None else run).order(moment)
        return Message(
            order.user_id.encode(),
            order_value(order, amounts_as_text=self._amounts_as_text),
            order.order_id,
            None if run is None else run.name,
        )


def past_orders(recipe: Recipe, start: date, days: int, count: int) -> Iterator[Message]:
    """`count` orders over the business dates from `start` on, spread evenly over the days and by rhythm within each.

    A day depends on nothing but the recipe, its date and its number of orders: it comes out the same alone.
    """
    seed = secrets.randbits(64) if recipe.seed is None else recipe.seed
    for number in range(days):
        day = start + timedelta(days=number)
        orders = count // days + (number < count % days)
        maker = OrderMaker(recipe, Dice(seed, "orders", day), Dice(seed, "order-ids", day))
        for moment in day_moments(day, orders, Dice(seed, "moments", day)):
            yield maker.make(moment)


def live_orders(recipe: Recipe, now: Callable[[], datetime], count: int | None) -> Iterator[Message]:
    """Orders placed at the moment each is asked for; endless without a count.

    With a seed, customers, products and patterns are drawn alike each time, but times differ, and so do the ids:
    two producers that run side by side must not make the same one.
    """
    seed = secrets.randbits(64) if recipe.seed is None else recipe.seed
    maker = OrderMaker(recipe, Dice(seed, "live"), Dice(secrets.randbits(128), "order-ids"))
    made = 0
    while count is None or made < count:
        yield maker.make(now())
        made += 1
