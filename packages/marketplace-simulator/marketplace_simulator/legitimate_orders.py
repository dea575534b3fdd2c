"""What honest customers do."""

from datetime import datetime

from marketplace_simulator import Category, Product
from marketplace_simulator.customers import HOME, ip_address
from marketplace_simulator.market import VOUCHERS, WALLETS, WELCOME_VOUCHER, Market
from marketplace_simulator.order import Order
from marketplace_simulator.seeded_random import Mix
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
_LARGE_PAYMENTS = Mix({"Bank Transfer": 5, "Virtual Account": 4, "Credit Card": 2})
_OTHER_PAYMENTS = Mix(
    {"GoPay": 4, "OVO": 2, "DANA": 3, "ShopeePay": 3, "Bank Transfer": 2, "Virtual Account": 3, "QRIS": 3}
)
_CARDS = Mix({"Credit Card": 3, "Debit Card": 1})
_QUANTITIES = {
    Category.ELECTRONICS: Mix({1: 85, 2: 12, 3: 3}),
    Category.OFFICE_TOOLS: Mix({1: 35, 2: 20, 3: 12, 5: 14, 10: 12, 20: 7}),
    Category.BOOKS: Mix({1: 72, 2: 17, 3: 8, 5: 3}),
}
_OFFICE_SUPPLY_SHARE = 0.05


class Shopping:
    """Honest orders: what people buy, how they pay, where from. None of the seed's rules is about them but one.

    A few order from abroad, and rule B takes those for fraud: a detector has false alarms to be told of.
    """

    def __init__(self, market: Market) -> None:
        self._market = market

    def order(self, moment: datetime) -> Order:
        """The next honest order."""
        market, dice = self._market, self._market.dice
        customer = market.customers.anyone(moment)
        product = market.product(moment)
        quantity = self._quantity(product, moment)
        device = customer.devices[0] if dice.chance(_HABIT_SHARE) else dice.pick(customer.devices)
        if dice.chance(_ABROAD_SHARE):
            country = dice.pick(ABROAD)
            return market.place(
                moment, customer, product, quantity, _CARDS.draw(dice),
                device_id=device, ip_address=ip_address(dice, country), country=country, shipping_country=country,
            )  # fmt: skip
        voucher = None
        if dice.chance(_VOUCHER_SHARE):
            new = (moment - customer.user.created_date).days < _NEW_ACCOUNT_DAYS
            voucher = WELCOME_VOUCHER if new else dice.pick(_EVERYDAY_VOUCHERS)
        payment = customer.user.default_payment if dice.chance(_HABIT_SHARE) else _OTHER_PAYMENTS.draw(dice)
        if product.price * quantity > _PAYMENT_LIMITS.get(payment, 10**15):
            payment = _LARGE_PAYMENTS.draw(dice)
        address = customer.ip_address if dice.chance(_AT_HOME_SHARE) else ip_address(dice, HOME)
        return market.place(
            moment, customer, product, quantity, payment,
            device_id=device, ip_address=address, voucher_code=voucher,
        )  # fmt: skip

    def _quantity(self, product: Product, moment: datetime) -> int:
        dice = self._market.dice
        if (
            product.category is Category.OFFICE_TOOLS
            and business_hour(moment) in _OFFICE_HOURS
            and dice.chance(_OFFICE_SUPPLY_SHARE)
        ):
            return dice.between(50, 250)
        return _QUANTITIES[product.category].draw(dice)
