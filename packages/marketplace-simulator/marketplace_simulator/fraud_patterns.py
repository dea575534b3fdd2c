"""Fraud patterns, and the runs of orders that they place among all orders."""

from abc import ABC, abstractmethod
from datetime import datetime
from functools import cache
from math import ceil
from typing import ClassVar

from marketplace_simulator import Category
from marketplace_simulator.market import HOME_COUNTRY, WALLETS, WELCOME_VOUCHER, Market, device_id, ip_address
from marketplace_simulator.orders import SimulatedOrder
from marketplace_simulator.seeded_random import WeightedChoice

NIGHT = range(5)
ANY_HOUR = range(24)
LARGE_PAYMENTS = ("Credit Card", "Bank Transfer", "Virtual Account")


class Pattern(ABC):
    """One fraudster's run of orders from `moment` on: what is constant is drawn first, the rest per order."""

    name: ClassVar[str]
    """Its name in the labels of generated orders."""
    hours: ClassVar[range] = ANY_HOUR
    """The business hours in which it happens."""
    lengths: ClassVar[range]
    """How many orders a run has."""
    weight: ClassVar[int] = 1
    """Its relative frequency among the patterns that are possible at the hour."""

    def __init__(self, market: Market, moment: datetime) -> None:
        self._market = market
        self._random = market.random

    @abstractmethod
    def order(self, moment: datetime) -> SimulatedOrder:
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
        self._victim = market.customers.choose(moment)
        self._device = device_id(self._random)
        self._address = ip_address(self._random, HOME_COUNTRY)

    def order(self, moment: datetime) -> SimulatedOrder:
        if self._random.chance(0.6):
            product = self._market.product(moment, Category.ELECTRONICS)
            quantity = ceil(self._random.between(100_000_000, 260_000_000) / product.price)
        else:
            product = self._market.product(moment, Category.OFFICE_TOOLS, Category.BOOKS)
            quantity = self._random.between(101, 290)
        return self._market.place(
            moment, self._victim, product, quantity, self._random.pick(LARGE_PAYMENTS),
            device_id=self._device, ip_address=self._address,
        )  # fmt: skip


class ForeignCard(Pattern):
    """A card stolen abroad buys electronics, sent to where the card was never used. Rule B sees it."""

    name = "foreign-card"
    lengths = range(1, 4)
    weight = 3

    def __init__(self, market: Market, moment: datetime) -> None:
        super().__init__(market, moment)
        self._country = self._random.pick(("SG", "MY", "US", "CN", "NG", "RU", "VN"))
        self._customer = market.customers.choose(moment)
        self._device = device_id(self._random)
        self._address = ip_address(self._random, self._country)

    def order(self, moment: datetime) -> SimulatedOrder:
        product = self._market.product(moment, Category.ELECTRONICS)
        return self._market.place(
            moment, self._customer, product, self._random.between(1, 4), "Credit Card",
            device_id=self._device, ip_address=self._address, country=self._country, shipping_country=self._country,
        )  # fmt: skip


class BulkReseller(Pattern):
    """A reseller buys up a shelf to sell it at a higher price: more than 300 pieces. Rule C sees it."""

    name = "bulk-reseller"
    lengths = range(1, 3)
    weight = 2

    def __init__(self, market: Market, moment: datetime) -> None:
        super().__init__(market, moment)
        self._customer = market.customers.choose(moment)
        self._product = market.product(moment, Category.OFFICE_TOOLS, Category.BOOKS)

    def order(self, moment: datetime) -> SimulatedOrder:
        return self._market.place(
            moment, self._customer, self._product, self._random.between(301, 500), "Bank Transfer",
            device_id=self._customer.devices[0], ip_address=self._customer.ip_address,
        )  # fmt: skip


class WalletCashOut(Pattern):
    """Stolen balance is turned into goods: over 50 million paid by DANA, OVO, GoPay or PayLater. Rule D sees it."""

    name = "wallet-cash-out"
    lengths = range(1, 4)
    weight = 3

    def __init__(self, market: Market, moment: datetime) -> None:
        super().__init__(market, moment)
        self._victim = market.customers.choose(moment)
        self._wallet = self._random.pick(WALLETS)
        self._device = device_id(self._random)
        self._address = ip_address(self._random, HOME_COUNTRY)

    def order(self, moment: datetime) -> SimulatedOrder:
        product = self._market.product(moment, Category.ELECTRONICS)
        quantity = self._random.between(50_000_001, 140_000_000) // product.price + 1
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
        self._device = device_id(self._random)
        self._address = ip_address(self._random, HOME_COUNTRY)

    def order(self, moment: datetime) -> SimulatedOrder:
        victim = self._market.customers.choose(moment)
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
        self._device = device_id(self._random)
        self._address = ip_address(self._random, HOME_COUNTRY)

    def order(self, moment: datetime) -> SimulatedOrder:
        account = self._market.customers.choose_newcomer(moment, self.newest)
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


_TYPICAL_LENGTH = 6
# Share of the run's orders among all orders while it lasts.
_DENSITY = 0.5


class FraudRuns:
    """Assigns each order to a fraud run or to none, so that runs stay together and the overall share is right.

    Every order adds the share to the balance of fraud due, every fraud subtracts one; a run starts at a threshold.
    """

    def __init__(self, market: Market, share: float) -> None:
        self._market = market
        self._share = share
        self._due = 0.0
        # Low at first, so that a producer just started shows a fraud soon.
        self._threshold = market.random.fraction() * (1 - share)
        self._run: Pattern | None = None
        self._left = 0

    def next(self, moment: datetime) -> Pattern | None:
        """The pattern's run that the order at `moment`, in business time, belongs to; None for a legitimate one."""
        random = self._market.random
        self._due += self._share
        if self._run is not None and moment.hour in self._run.hours:
            if not random.chance(max(_DENSITY, self._share)):
                return None
        elif self._due > self._threshold:
            self._start(moment)
        else:
            self._run = None
            return None
        run = self._run
        self._due -= 1
        self._left -= 1
        if self._left == 0:
            self._run = None
        return run

    def _start(self, moment: datetime) -> None:
        random = self._market.random
        kind = _kinds(moment.hour).draw(random)
        self._run = kind(self._market, moment)
        self._left = random.pick(kind.lengths)
        self._threshold = random.fraction() * _TYPICAL_LENGTH * (1 - self._share)


@cache
def _kinds(hour: int) -> WeightedChoice[type[Pattern]]:
    return WeightedChoice({kind: kind.weight for kind in PATTERNS if hour in kind.hours})
