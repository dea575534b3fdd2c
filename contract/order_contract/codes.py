"""Code lists that an order event is matched against: payment methods, ISO 3166 countries, ISO 4217 currencies."""

import pycountry

PAYMENT_METHODS = (
    "Bank Transfer", "Virtual Account", "Credit Card", "Debit Card", "QRIS", "Cash on Delivery",
    "GoPay", "OVO", "DANA", "ShopeePay", "LinkAja", "PayLater", "Kredivo", "Akulaku", "Indomaret", "Alfamart",
)  # fmt: skip
"""Canonical spellings. `ORDERWATCH_PAYMENT_METHODS` adds to them."""

COUNTRIES = frozenset(country.alpha_2 for country in pycountry.countries)
CURRENCIES = frozenset(currency.alpha_3 for currency in pycountry.currencies)
