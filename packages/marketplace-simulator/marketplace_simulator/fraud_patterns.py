"""Fraud patterns: each a way to cheat, as a run of orders that one culprit places."""

from abc import ABC, abstractmethod
from datetime import datetime
from math import ceil
from typing import ClassVar

from marketplace_simulator import Category
from marketplace_simulator.customers import HOME, device_id, ip_address
from marketplace_simulator.market import WALLETS, WELCOME_VOUCHER, Market
from marketplace_simulator.order import Order

NIGHT = range(5)
ANY_HOUR = range(24)
LARGE_PAYMENTS = ("Credit Card", "Bank Transfer", "Virtual Account")


class Pattern(ABC):
    """One culprit at work from `moment` on: what stays the same over the run is drawn first, the rest an order each."""

    name: ClassVar[str]
    """What the truth calls it."""
    hours: ClassVar[range] = ANY_HOUR
    """The business hours in which it happens."""
    lengths: ClassVar[range]
    """How many orders a run has."""
    weight: ClassVar[int] = 1
    """How often it happens beside the others that are possible at the hour."""

    def __init__(self, market: Market, moment: datetime) -> None:
        self._market = market
        self._dice = market.dice

    @abstractmethod
    def order(self, moment: datetime) -> Order:
        """The next order of the run."""


class NightBurst(Pattern):
    """A stolen account is emptied while its owner sleeps: order after order of 100 million, or over 100 pieces.

    Rule A of the seed sees each of them.
    """

    name = "night-burst"
    hours = NIGHT
    lengths = range(3, 9)
    weight = 6

    def __init__(self, market: Market, moment: datetime) -> None:
        super().__init__(market, moment)
        self._victim = market.customers.anyone(moment)
        self._device = device_id(self._dice)
        self._address = ip_address(self._dice, HOME)

    def order(self, moment: datetime) -> Order:
        if self._dice.chance(0.6):
            product = self._market.product(moment, Category.ELECTRONICS)
            quantity = ceil(self._dice.between(100_000_000, 260_000_000) / product.price)
        else:
            product = self._market.product(moment, Category.OFFICE_TOOLS, Category.BOOKS)
            quantity = self._dice.between(101, 290)
        return self._market.place(
            moment, self._victim, product, quantity, self._dice.pick(LARGE_PAYMENTS),
            device_id=self._device, ip_address=self._address,
        )  # fmt: skip


class ForeignCard(Pattern):
    """A card stolen abroad buys electronics, sent to where the card was never used. Rule B sees it."""

    name = "foreign-card"
    lengths = range(1, 4)
    weight = 3

    def __init__(self, market: Market, moment: datetime) -> None:
        super().__init__(market, moment)
        self._country = self._dice.pick(("SG", "MY", "US", "CN", "NG", "RU", "VN"))
        self._customer = market.customers.anyone(moment)
        self._device = device_id(self._dice)
        self._address = ip_address(self._dice, self._country)

    def order(self, moment: datetime) -> Order:
        product = self._market.product(moment, Category.ELECTRONICS)
        return self._market.place(
            moment, self._customer, product, self._dice.between(1, 4), "Credit Card",
            device_id=self._device, ip_address=self._address, country=self._country, shipping_country=self._country,
        )  # fmt: skip


class BulkReseller(Pattern):
    """Somebody buys up a shelf to sell it dearer: more than 300 pieces. Rule C sees it."""

    name = "bulk-reseller"
    lengths = range(1, 3)
    weight = 2

    def __init__(self, market: Market, moment: datetime) -> None:
        super().__init__(market, moment)
        self._customer = market.customers.anyone(moment)
        self._product = market.product(moment, Category.OFFICE_TOOLS, Category.BOOKS)

    def order(self, moment: datetime) -> Order:
        return self._market.place(
            moment, self._customer, self._product, self._dice.between(301, 500), "Bank Transfer",
            device_id=self._customer.devices[0], ip_address=self._customer.ip_address,
        )  # fmt: skip


class WalletCashOut(Pattern):
    """Stolen balance is turned into goods: over 50 million paid by DANA, OVO, GoPay or PayLater. Rule D sees it."""

    name = "wallet-cash-out"
    lengths = range(1, 4)
    weight = 3

    def __init__(self, market: Market, moment: datetime) -> None:
        super().__init__(market, moment)
        self._victim = market.customers.anyone(moment)
        self._wallet = self._dice.pick(WALLETS)
        self._device = device_id(self._dice)
        self._address = ip_address(self._dice, HOME)

    def order(self, moment: datetime) -> Order:
        product = self._market.product(moment, Category.ELECTRONICS)
        quantity = self._dice.between(50_000_001, 140_000_000) // product.price + 1
        return self._market.place(
            moment, self._victim, product, quantity, self._wallet, device_id=self._device, ip_address=self._address
        )


class AccountTakeover(Pattern):
    """One device goes through many accounts, a purchase each, none of them large: only counting by device shows it.

    None of the seed's rules does.
    """

    name = "account-takeover"
    lengths = range(5, 13)

    def __init__(self, market: Market, moment: datetime) -> None:
        super().__init__(market, moment)
        self._device = device_id(self._dice)
        self._address = ip_address(self._dice, HOME)

    def order(self, moment: datetime) -> Order:
        victim = self._market.customers.anyone(moment)
        product = self._market.product(moment, Category.ELECTRONICS)
        return self._market.place(
            moment, victim, product, 1, victim.user.default_payment, device_id=self._device, ip_address=self._address
        )


class VoucherAbuse(Pattern):
    """One device, many accounts opened just now, each spending its welcome voucher on an amount below 5 million.

    None of the seed's rules sees it.
    """

    name = "voucher-abuse"
    lengths = range(6, 16)

    # About the accounts of the last two days.
    newest = 480
    amount_below = 5_000_000

    def __init__(self, market: Market, moment: datetime) -> None:
        super().__init__(market, moment)
        self._device = device_id(self._dice)
        self._address = ip_address(self._dice, HOME)

    def order(self, moment: datetime) -> Order:
        account = self._market.customers.newcomer(moment, self.newest)
        product = self._market.product(moment)
        while product.price >= self.amount_below:
            product = self._market.product(moment)
        return self._market.place(
            moment, account, product, 1, account.user.default_payment,
            device_id=self._device, ip_address=self._address, voucher_code=WELCOME_VOUCHER,
        )  # fmt: skip


PATTERNS: tuple[type[Pattern], ...] = (
    NightBurst, ForeignCard, BulkReseller, WalletCashOut, AccountTakeover, VoucherAbuse,
)  # fmt: skip
