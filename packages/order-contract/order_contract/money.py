"""Money: integers in the currency's everyday smallest unit; for IDR that is the whole rupiah."""

import re

DEFAULT_CURRENCY = "IDR"
MAX_AMOUNT = 10**15

# The seed writes `Rp.125,000,000`: groups of three behind commas, or no commas at all.
_RUPIAH = re.compile(r"Rp\.? ?([0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,16})")


def parse_rupiah(text: str) -> int:
    """Whole rupiah of the seed's text form, `Rp.125,000,000`. Raises ValueError when it is not that form."""
    match = _RUPIAH.fullmatch(text)
    if match is None:
        raise ValueError("is neither an integer nor text like 'Rp.125,000,000'")
    return int(match[1].replace(",", ""))


def format_rupiah(amount: int) -> str:
    """The seed's text form of whole rupiah: 125000000 becomes `Rp.125,000,000`."""
    return f"Rp.{amount:,}"
