"""The seeded world: users and products at any moment, and what changed in any span of time."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache, partial
from heapq import merge

from marketplace_simulator.products import (
    Category,
    PriceHistory,
    Product,
    category_of,
    make_identity,
    price,
    product_id,
)
from marketplace_simulator.seeded_random import SeededRandom
from marketplace_simulator.users import EmailStyle, SimulatedUser, make_user, user_id
from order_contract.business_time import BUSINESS_ZONE

MILLISECOND = timedelta(milliseconds=1)


class ArrivalSchedule:
    """One arrival at a random moment in every slot of length `every`, from `origin` on; at most `limit` of them.

    With one slot each, neither the moment of the nth arrival nor the count at a moment needs a search.
    """

    def __init__(self, origin: datetime, every: timedelta, *name: object, limit: int | None = None) -> None:
        self._origin = origin
        self._slot = every // MILLISECOND
        self._limit = limit

        def delay(index: int) -> int:
            """Milliseconds from the origin to the arrival."""
            return int((index + SeededRandom(*name, index).fraction()) * self._slot)

        # Callers that go through time in order ask for the same few again and again.
        self._delay = lru_cache(256)(delay)

    def moment(self, index: int) -> datetime:
        """When arrival `index`, counted from 0, came: to the millisecond, later than the one before."""
        return self._origin + self._delay(index) * MILLISECOND

    def count(self, moment: datetime) -> int:
        """How many had come by `moment`, itself included."""
        elapsed = (moment - self._origin) // MILLISECOND
        if elapsed < 0:
            return 0
        slot = elapsed // self._slot
        if self._limit is not None and slot >= self._limit:
            return self._limit
        return slot + (self._delay(slot) <= elapsed)


EPOCH = datetime(2025, 1, 1, tzinfo=BUSINESS_ZONE)
"""When the marketplace opens for orders; its first users and products exist by then."""
HOUR = timedelta(hours=1)

INITIAL_USERS = 1_000
INITIAL_PRODUCTS = 200
USERS_PER_HOUR = 10
NEW_PRODUCTS_PER_HOUR = 2
PRICE_CHANGES_PER_HOUR = 8

BEGINNING = datetime(2023, 1, 1, tzinfo=BUSINESS_ZONE)
"""When the first account is opened; nothing exists before."""
_IDENTITIES_CACHED = 50_000
_FIRST_PRODUCTS = datetime(2024, 1, 1, tzinfo=BUSINESS_ZONE)


class World:
    """One world. Users and products are numbered from 0 in the order of their appearance.

    Ten users come each hour, two products are new and eight change their price. Moments are aware datetimes;
    the same seed and arguments always give the same result; caches only make repeated calls faster.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._first_users = ArrivalSchedule(
            BEGINNING, (EPOCH - BEGINNING) / INITIAL_USERS, seed, "first-user", limit=INITIAL_USERS
        )
        self._users = ArrivalSchedule(EPOCH, HOUR / USERS_PER_HOUR, seed, "new-user")
        self._first_products = ArrivalSchedule(
            _FIRST_PRODUCTS, (EPOCH - _FIRST_PRODUCTS) / INITIAL_PRODUCTS, seed, "first-product", limit=INITIAL_PRODUCTS
        )
        self._products = ArrivalSchedule(EPOCH, HOUR / NEW_PRODUCTS_PER_HOUR, seed, "new-product")
        self._changes = ArrivalSchedule(EPOCH, HOUR / PRICE_CHANGES_PER_HOUR, seed, "price-change")
        # A price is asked for far more often than a product is new.
        self._identity = lru_cache(_IDENTITIES_CACHED)(partial(make_identity, seed))
        self._price_history = PriceHistory(
            seed,
            initial=INITIAL_PRODUCTS,
            changes_per_new_product=PRICE_CHANGES_PER_HOUR // NEW_PRODUCTS_PER_HOUR,
        )

    def users(self, moment: datetime) -> int:
        """How many users are registered at `moment`: those with the numbers below."""
        return self._first_users.count(moment) + self._users.count(moment)

    def user(self, index: int) -> SimulatedUser:
        """One user."""
        created_date = self._registration_date(index)
        style = self.email_style(created_date) if index >= INITIAL_USERS else self._own_style(index)
        return make_user(self.seed, index, style, created_date)

    def users_between(self, start: datetime, end: datetime) -> Iterator[SimulatedUser]:
        """Those who registered from `start` until before `end`, in that order; the first 1,000 did before EPOCH."""
        instant = timedelta(milliseconds=1)
        for index in range(self.users(start - instant), self.users(end - instant)):
            yield self.user(index)

    def user_keys_between(self, start: datetime, end: datetime) -> Iterator[tuple[str, datetime]]:
        """Id and moment of what `users_between` yields, at a tenth of its cost."""
        for index in range(self.users(start - MILLISECOND), self.users(end - MILLISECOND)):
            yield user_id(index), self._registration_date(index)

    def email_style(self, moment: datetime) -> EmailStyle:
        """Format of the e-mail addresses of all users who register in this hour."""
        return SeededRandom(self.seed, "email-style", (moment - EPOCH) // HOUR).pick(tuple(EmailStyle))

    def products(self, moment: datetime) -> int:
        """How many products are on sale at `moment`: those with the numbers below."""
        return self._first_products.count(moment) + self._products.count(moment)

    def product_versions(self, moment: datetime) -> int:
        """How many versions of products had come into force by `moment`: introductions and changes of prices."""
        return self.products(moment) + self._changes.count(moment)

    def category(self, index: int) -> Category:
        """The category of a product, which never changes."""
        return category_of(self.seed, index)

    def product(self, index: int, moment: datetime) -> Product:
        """One product as it is at `moment`. Raises ValueError when it is not on sale yet."""
        created_date = self._introduction_date(index)
        if moment < created_date:
            raise ValueError(f"product {index} comes on sale at {created_date:%Y-%m-%d %H:%M:%S}")
        return self._version(index, self._changes.count(moment))

    def products_between(self, start: datetime, end: datetime) -> Iterator[Product]:
        """Each version of a product that came into force from `start` until before `end`, in that order.

        The 200 first products came on sale before EPOCH. Applied one after another from the world's beginning,
        the versions give the catalog as it is at `end`.
        """
        instant = timedelta(milliseconds=1)
        made = range(self._changes.count(start - instant), self._changes.count(end - instant))
        new = (self._version(index, 0) for index in range(self.products(start - instant), self.products(end - instant)))
        changed = (self._version(self._price_history.product(change), change + 1) for change in made)
        return merge(new, changed, key=lambda product: product.updated_at)

    def product_keys_between(self, start: datetime, end: datetime) -> Iterator[tuple[str, datetime]]:
        """Id and moment of what `products_between` yields, in any order, at a fraction of its cost."""
        for index in range(self.products(start - MILLISECOND), self.products(end - MILLISECOND)):
            yield product_id(index), self._introduction_date(index)
        for change in range(self._changes.count(start - MILLISECOND), self._changes.count(end - MILLISECOND)):
            yield product_id(self._price_history.product(change)), self._changes.moment(change)

    def _registration_date(self, index: int) -> datetime:
        first = index < INITIAL_USERS
        return self._first_users.moment(index) if first else self._users.moment(index - INITIAL_USERS)

    def _introduction_date(self, index: int) -> datetime:
        first = index < INITIAL_PRODUCTS
        return self._first_products.moment(index) if first else self._products.moment(index - INITIAL_PRODUCTS)

    def _own_style(self, index: int) -> EmailStyle:
        return SeededRandom(self.seed, "first-email-style", index).pick(tuple(EmailStyle))

    def _version(self, index: int, made: int) -> Product:
        """A product after the first `made` price changes of the world."""
        created_date = self._introduction_date(index)
        changes = self._price_history.of_product(index, made)
        identity = self._identity(index)
        return Product(
            identity.product_id,
            identity.product_name,
            identity.category,
            price(self.seed, index, identity, changes.made),
            changes.made,
            created_date,
            created_date if changes.last is None else self._changes.moment(changes.last),
            self._changes.moment(changes.next),
        )
