"""Market: chooses customers and products, and places their orders."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from marketplace_simulator import Category, Product, SimulatedUser, World
from marketplace_simulator.orders import OrderIds, SimulatedOrder
from marketplace_simulator.seeded_random import SeededRandom

# Networks of the generated IP addresses, by country.
NETWORKS = {
    "ID": ("36.68", "36.80", "114.122", "118.96", "125.160", "139.192", "180.244", "182.0"),
    "SG": ("175.156", "219.74"),
    "MY": ("60.48", "175.136"),
    "US": ("73.15", "98.97"),
    "JP": ("126.72", "153.129"),
    "AU": ("101.160", "120.16"),
    "CN": ("112.64", "223.104"),
    "NG": ("102.89", "105.112"),
    "RU": ("95.24", "178.176"),
    "VN": ("14.160", "113.160"),
}
HOME_COUNTRY = "ID"

WALLETS = ("DANA", "OVO", "GoPay", "PayLater")
"""Payment methods that the seed's rule D watches."""
_BESTSELLERS = 20
_PRODUCTS_CACHED = 8192
_MILLISECOND = 1000

# How many of the first customers share the top of the ranking about equally.
_REGULARS = 200
_NEWCOMERS_SHARE = 0.15
_CUSTOMERS_CACHED = 4096


@dataclass(frozen=True, slots=True)
class Customer:
    """A user with their devices, the one used most first, and the address at home."""

    user: SimulatedUser
    devices: tuple[str, ...]
    ip_address: str


class Customers:
    """Chooses who orders: few order often and most seldom, newcomers a little more."""

    def __init__(self, world: World, random: SeededRandom) -> None:
        self._world = world
        self._random = random
        self._customer = lru_cache(_CUSTOMERS_CACHED)(self._make)

    def choose(self, moment: datetime) -> Customer:
        """The next customer among those registered at `moment`."""
        count = self._world.users(moment)
        if self._random.chance(_NEWCOMERS_SHARE):
            return self._customer(self._random.between(count * 9 // 10, count - 1))
        return self._customer(zipf(self._random, count, _REGULARS))

    def choose_newcomer(self, moment: datetime, among: int) -> Customer:
        """One of the last `among` who registered."""
        count = self._world.users(moment)
        return self._customer(self._random.between(max(count - among, 0), count - 1))

    def _make(self, index: int) -> Customer:
        random = SeededRandom(self._world.seed, "habits", index)
        devices = tuple(device_id(random) for _ in range(1 + random.chance(0.4)))
        return Customer(self._world.user(index), devices, ip_address(random, HOME_COUNTRY))


def zipf(random: SeededRandom, count: int, head: int) -> int:
    """A number below `count`, n as likely as 1 / (n + head): Zipf's law with a top of about `head` equals."""
    return min(int(head * (1 + count / head) ** random.fraction()) - head, count - 1)


def device_id(random: SeededRandom) -> str:
    """A device as its fingerprint: 12 hex digits."""
    return f"dev-{random.below(1 << 48):012x}"


def ip_address(random: SeededRandom, country: str) -> str:
    """An IPv4 address in one of the country's networks."""
    return f"{random.pick(NETWORKS[country])}.{random.below(256)}.{random.between(1, 254)}"


class Voucher(NamedTuple):
    """A discount in percent, up to so many rupiah."""

    percent: int
    at_most: int


WELCOME_VOUCHER = "PENGGUNABARU"
"""For the first order of a new account."""
VOUCHERS = {
    "HEMAT10": Voucher(10, 50_000),
    "GAJIAN15": Voucher(15, 150_000),
    "ONGKIRGRATIS": Voucher(5, 25_000),
    "BELANJA2X": Voucher(12, 100_000),
    WELCOME_VOUCHER: Voucher(50, 250_000),
}


class Market:
    """Places orders in one world, drawing from one sequence of random numbers."""

    def __init__(self, world: World, random: SeededRandom, ids: OrderIds) -> None:
        self.random = random
        self.customers = Customers(world, random)
        self._world = world
        self._ids = ids
        self._products: dict[int, Product] = {}

    def product(self, moment: datetime, *categories: Category) -> Product:
        """A product on sale at `moment`, some much more often than most; of these categories when there are any."""
        while True:
            product = self._find_product(zipf(self.random, self._world.products(moment), _BESTSELLERS), moment)
            if not categories or product.category in categories:
                return product

    def place(
        self,
        moment: datetime,
        customer: Customer,
        product: Product,
        quantity: int,
        payment_method: str,
        *,
        device_id: str,
        ip_address: str,
        country: str = "ID",
        shipping_country: str | None = None,
        voucher_code: str | None = None,
    ) -> SimulatedOrder:
        """An order at the product's price of the moment, less what the voucher gives."""
        amount = product.price * quantity
        if voucher_code is not None:
            voucher = VOUCHERS[voucher_code]
            amount -= min(amount * voucher.percent // 100, voucher.at_most)
        user = customer.user
        return SimulatedOrder(
            self._ids.next(int(moment.timestamp() * _MILLISECOND)),
            user.user_id,
            product.product_id,
            quantity,
            amount,
            payment_method,
            country,
            moment,
            device_id,
            ip_address,
            user.email,
            user.created_date,
            voucher_code,
            shipping_country,
        )

    def _find_product(self, index: int, moment: datetime) -> Product:
        known = self._products.get(index)
        if known is None or not known.updated_at <= moment < known.valid_until:
            if len(self._products) >= _PRODUCTS_CACHED:
                self._products.clear()
            known = self._products[index] = self._world.product(index, moment)
        return known
