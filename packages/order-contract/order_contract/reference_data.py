"""Code lists that an order event is matched against: payment methods, ISO 3166 countries, ISO 4217 currencies."""

import re
from collections.abc import Iterable

import pycountry

PAYMENT_METHODS = (
    "Bank Transfer", "Virtual Account", "Credit Card", "Debit Card", "QRIS", "Cash on Delivery",
    "GoPay", "OVO", "DANA", "ShopeePay", "LinkAja", "PayLater", "Kredivo", "Akulaku", "Indomaret", "Alfamart",
)  # fmt: skip
"""Canonical spellings. `ORDERWATCH_PAYMENT_METHODS` adds to them."""

MAX_PAYMENT_METHOD_LENGTH = 64

COUNTRIES = frozenset(country.alpha_2 for country in pycountry.countries)
CURRENCIES = frozenset(currency.alpha_3 for currency in pycountry.currencies)

_MAX_SPELLINGS = 1_000
# Spaces, underscores and hyphens (also the typographic ones) do not tell two methods apart.
_SEPARATORS = re.compile(r"[\s_\-\u2010-\u2015\u2212]+")


class PaymentMethods:
    """Payment methods, matched without regard to case, spaces, hyphens and underscores.

    An added name that is only another spelling of a known one changes nothing: rules name the known one.
    """

    def __init__(self, extra: Iterable[str] = ()) -> None:
        self._by_folded = {fold_payment_method(name): name for name in PAYMENT_METHODS}
        for name in map(str.strip, extra):
            if 0 < len(name) <= MAX_PAYMENT_METHOD_LENGTH:
                self._by_folded.setdefault(fold_payment_method(name), name)
        self.names = tuple(self._by_folded.values())
        # Spellings as they arrive: a handful in practice, so that nearly every match is one look-up.
        # Read by the fast decoder.
        self.spellings = {name: name for name in self.names}

    def canonical(self, spelling: str) -> str | None:
        """The canonical spelling of a known method, an unknown one as given without the spaces around it.

        None for what cannot be the name of a method: nothing but spaces, or more than 64 characters.
        """
        name = self.spellings.get(spelling)
        if name is None:
            name = spelling.strip()
            if not 0 < len(name) <= MAX_PAYMENT_METHOD_LENGTH:
                return None
            name = self._by_folded.get(fold_payment_method(name), name)
            # The key is what costs memory: a method's name may have any number of spaces around it.
            if len(self.spellings) < _MAX_SPELLINGS and len(spelling) <= MAX_PAYMENT_METHOD_LENGTH:
                self.spellings[spelling] = name
        return name


def fold_payment_method(name: str) -> str:
    """What two spellings of one payment method have in common."""
    return _SEPARATORS.sub("", name).casefold()
