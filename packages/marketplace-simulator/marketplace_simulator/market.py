"""The market: where a customer, a product and a way to pay become an order."""

from datetime import datetime
from typing import NamedTuple

from marketplace_simulator import Category, Product, World
from marketplace_simulator.customers import Customer, Customers, zipf
from marketplace_simulator.order import Order
from marketplace_simulator.order_ids import OrderIds
from marketplace_simulator.seeded_random import Dice

WALLETS = ("DANA", "OVO", "GoPay", "PayLater")
"""Payment methods that the seed's rule D watches."""

_BESTSELLERS = 20
_KEPT = 8192
_MILLISECOND = 1000


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
    """Places orders in one world, drawing from one sequence of chance."""

    def __init__(self, world: World, dice: Dice, ids: OrderIds) -> None:
        self.dice = dice
        self.customers = Customers(world, dice)
        self._world = world
        self._ids = ids
        self._products: dict[int, Product] = {}

    def product(self, moment: datetime, *categories: Category) -> Product:
        """A product on sale at `moment`, some much more often than most; of these categories when there are any."""
        while True:
            product = self._standing(zipf(self.dice, self._world.products(moment), _BESTSELLERS), moment)
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
    ) -> Order:
        """An order at the product's price of the moment, less what the voucher gives."""
        amount = product.price * quantity
        if voucher_code is not None:
            voucher = VOUCHERS[voucher_code]
            amount -= min(amount * voucher.percent // 100, voucher.at_most)
        user = customer.user
        return Order(
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

    def _standing(self, index: int, moment: datetime) -> Product:
        known = self._products.get(index)
        if known is None or not known.updated_at <= moment < known.valid_until:
            if len(self._products) >= _KEPT:
                self._products.clear()
            known = self._products[index] = self._world.product(index, moment)
        return known
