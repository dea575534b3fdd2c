"""Legitimate orders: quantities, payment methods, vouchers and places of customers who do not cheat."""

from datetime import datetime

from marketplace_simulator import Category, Product
from marketplace_simulator.market import HOME_COUNTRY, VOUCHERS, WALLETS, WELCOME_VOUCHER, Market, ip_address
from marketplace_simulator.orders import SimulatedOrder
from marketplace_simulator.seeded_random import WeightedChoice
from order_contract.business_time import business_hour

ABROAD = ("SG", "MY", "JP", "AU", "US")
_ABROAD_SHARE = 0.004
_VOUCHER_SHARE = 0.12
_EVERYDAY_VOUCHERS = tuple(code for code in VOUCHERS if code != WELCOME_VOUCHER)
_HABIT_SHARE = 0.75
_AT_HOME_SHARE = 0.7
_NEW_ACCOUNT_DAYS = 3
_OFFICE_HOURS = range(8, 18)

# No wallet, shop counter or courier takes more than this in one payment.
_PAYMENT_LIMITS = {
    **dict.fromkeys(WALLETS, 20_000_000), "ShopeePay": 20_000_000, "LinkAja": 10_000_000, "QRIS": 10_000_000,
    "Kredivo": 30_000_000, "Akulaku": 25_000_000,
    "Cash on Delivery": 5_000_000, "Indomaret": 5_000_000, "Alfamart": 5_000_000,
}  # fmt: skip
_LARGE_PAYMENTS = WeightedChoice({"Bank Transfer": 5, "Virtual Account": 4, "Credit Card": 2})
_OTHER_PAYMENTS = WeightedChoice(
    {"GoPay": 4, "OVO": 2, "DANA": 3, "ShopeePay": 3, "Bank Transfer": 2, "Virtual Account": 3, "QRIS": 3}
)
_CARDS = WeightedChoice({"Credit Card": 3, "Debit Card": 1})
_QUANTITIES = {
    Category.ELECTRONICS: WeightedChoice({1: 85, 2: 12, 3: 3}),
    Category.OFFICE_TOOLS: WeightedChoice({1: 35, 2: 20, 3: 12, 5: 14, 10: 12, 20: 7}),
    Category.BOOKS: WeightedChoice({1: 72, 2: 17, 3: 8, 5: 3}),
}
_OFFICE_SUPPLY_SHARE = 0.05


class LegitimateOrders:
    """Generates legitimate orders. None of the seed's rules fires on them, with one exception.

    A few come from abroad, and rule B flags those: a detector needs false positives, too.
    """

    def __init__(self, market: Market) -> None:
        self._market = market

    def order(self, moment: datetime) -> SimulatedOrder:
        """The next legitimate order."""
        market, random = self._market, self._market.random
        customer = market.customers.choose(moment)
        product = market.product(moment)
        quantity = self._quantity(product, moment)
        device = customer.devices[0] if random.chance(_HABIT_SHARE) else random.pick(customer.devices)
        if random.chance(_ABROAD_SHARE):
            country = random.pick(ABROAD)
            return market.place(
                moment, customer, product, quantity, _CARDS.draw(random),
                device_id=device, ip_address=ip_address(random, country), country=country, shipping_country=country,
            )  # fmt: skip
        voucher = None
        if random.chance(_VOUCHER_SHARE):
            new = (moment - customer.user.created_date).days < _NEW_ACCOUNT_DAYS
            voucher = WELCOME_VOUCHER if new else random.pick(_EVERYDAY_VOUCHERS)
        payment = customer.user.default_payment if random.chance(_HABIT_SHARE) else _OTHER_PAYMENTS.draw(random)
        if product.price * quantity > _PAYMENT_LIMITS.get(payment, 10**15):
            payment = _LARGE_PAYMENTS.draw(random)
        address = customer.ip_address if random.chance(_AT_HOME_SHARE) else ip_address(random, HOME_COUNTRY)
        return market.place(
            moment, customer, product, quantity, payment,
            device_id=device, ip_address=address, voucher_code=voucher,
        )  # fmt: skip

    def _quantity(self, product: Product, moment: datetime) -> int:
        random = self._market.random
        if (
            product.category is Category.OFFICE_TOOLS
            and business_hour(moment) in _OFFICE_HOURS
            and random.chance(_OFFICE_SUPPLY_SHARE)
        ):
            return random.between(50, 250)
        return _QUANTITIES[product.category].draw(random)
