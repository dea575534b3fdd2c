"""Code lists that an order event is matched against: payment methods, ISO 3166 countries, ISO 4217 currencies."""

from collections.abc import Iterable

import pycountry

PAYMENT_METHODS = (
    "Bank Transfer", "Virtual Account", "Credit Card", "Debit Card", "QRIS", "Cash on Delivery",
    "GoPay", "OVO", "DANA", "ShopeePay", "LinkAja", "PayLater", "Kredivo", "Akulaku", "Indomaret", "Alfamart",
)  # fmt: skip
"""Canonical spellings. `ORDERWATCH_PAYMENT_METHODS` adds to them."""

COUNTRIES = frozenset(country.alpha_2 for country in pycountry.countries)
CURRENCIES = frozenset(currency.alpha_3 for currency in pycountry.currencies)

_MAX_SPELLINGS = 1_000


class PaymentMethods:
    """Payment methods, matched without regard to case."""

    def __init__(self, extra: Iterable[str] = ()) -> None:
        self.names = (*PAYMENT_METHODS, *extra)
        self._by_folded = {name.casefold(): name for name in self.names}
        # Spellings as they arrive: a handful in practice, so that nearly every match is one look-up.
        self._spellings = {name: name for name in self.names}

    def canonical(self, spelling: str) -> str | None:
        """The canonical spelling, None for an unknown method."""
        name = self._spellings.get(spelling)
        if name is None:
            name = self._by_folded.get(spelling.strip().casefold())
            if name is not None and len(self._spellings) < _MAX_SPELLINGS:
                self._spellings[spelling] = name
        return name
