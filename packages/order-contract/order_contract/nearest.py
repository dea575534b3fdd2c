"""The nearest valid value to one that is not valid, for errors that say what to write instead."""

from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache, lru_cache

import pycountry

from order_contract.reference_data import COUNTRIES, CURRENCIES, fold_payment_method

# A longer text is not a typing error, and comparing it costs too much.
_MAX_LENGTH = 64
_CLOSE = 0.75
# Common spellings that no list has: reserved codes, former names, parts of states.
_COUNTRY_ALIASES = {
    "UK": "GB", "EL": "GR", "ENGLAND": "GB", "SCOTLAND": "GB", "WALES": "GB", "NORTHERN IRELAND": "GB",
    "GREAT BRITAIN": "GB", "BRITAIN": "GB", "USA": "US", "AMERICA": "US", "UAE": "AE", "RUSSIA": "RU",
    "SOUTH KOREA": "KR", "NORTH KOREA": "KP", "TURKEY": "TR", "HOLLAND": "NL", "BURMA": "MM", "EAST TIMOR": "TL",
    "CZECH REPUBLIC": "CZ", "IVORY COAST": "CI", "MACAU": "MO", "SWAZILAND": "SZ", "CAPE VERDE": "CV", "VATICAN": "VA",
}  # fmt: skip
_CURRENCY_ALIASES = {
    "RP": "IDR", "RP.": "IDR", "RUPIAH": "IDR", "$": "USD", "US$": "USD", "S$": "SGD", "RM": "MYR", "€": "EUR",
    "£": "GBP", "¥": "JPY", "RMB": "CNY", "BAHT": "THB", "฿": "THB", "₱": "PHP", "₹": "INR", "DOLLAR": "USD",
}  # fmt: skip


@lru_cache(maxsize=1_024)
def nearest_country(text: str) -> str | None:
    """The alpha-2 code that a text most likely means: another kind of code, a name, or a name with a slip."""
    wanted = text.strip().upper()
    if len(wanted) > _MAX_LENGTH:
        return None
    if wanted in COUNTRIES:
        return wanted
    names = _country_names()
    return names.get(wanted) or _close(wanted, names)


@lru_cache(maxsize=1_024)
def nearest_currency(text: str) -> str | None:
    """The ISO 4217 code that a text most likely means."""
    wanted = text.strip().upper()
    if len(wanted) > _MAX_LENGTH:
        return None
    if wanted in CURRENCIES:
        return wanted
    names = _currency_names()
    return names.get(wanted) or _close(wanted, names)


def nearest_payment_method(text: str, known: Iterable[str]) -> str | None:
    """The known method that a text most likely means."""
    names = {fold_payment_method(name): name for name in known}
    return nearest_name(fold_payment_method(text[:_MAX_LENGTH]), names)


def nearest_name(text: str, names: dict[str, str]) -> str | None:
    """The value of the key that is most like `text`, None when no key is much like it."""
    found = get_close_matches(text, names, 1, _CLOSE)
    return names[found[0]] if found else None


def _close(wanted: str, names: dict[str, str]) -> str | None:
    # Codes differ in one letter from many others: only names are compared, and few of them, so that a flood of bad
    # values costs little.
    if len(wanted) < 4:
        return None
    alike = {
        name: code
        for name, code in names.items()
        if name[0] == wanted[0] and len(name) >= 4 and abs(len(name) - len(wanted)) <= 2
    }
    return nearest_name(wanted, alike)


@cache
def _country_names() -> dict[str, str]:
    names: dict[str, str] = {}
    for fields in map(dict, pycountry.countries):
        for kind in ("name", "official_name", "common_name", "alpha_3", "numeric"):
            if kind in fields:
                names[fields[kind].upper()] = fields["alpha_2"]
    return {**names, **_COUNTRY_ALIASES}


@cache
def _currency_names() -> dict[str, str]:
    names: dict[str, str] = {}
    for fields in map(dict, pycountry.currencies):
        for kind in ("name", "numeric"):
            if kind in fields:
                names[fields[kind].upper()] = fields["alpha_3"]
    return {**names, **_CURRENCY_ALIASES}
