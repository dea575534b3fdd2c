"""Parsing of typed business dates: one date, or a range."""

import re
from datetime import date, timedelta

FIRST_DATE = date(2000, 1, 1)
LAST_DATE = date(2100, 12, 31)
MOST_DATES = 3_660
"""Ten years: a longer range is probably a typing error."""

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DAY = timedelta(days=1)


def parse_business_date(text: str) -> date:
    """A date such as 2026-11-20. Raises ValueError with a full sentence."""
    if _DATE.fullmatch(text) is None:
        raise ValueError(f"{_shown(text)} is not a date; write one such as 2026-11-20")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{_shown(text)} is not a date: no calendar has it; write one such as 2026-11-20") from None
    if not FIRST_DATE <= day <= LAST_DATE:
        raise ValueError(f"{_shown(text)} is not a date between {FIRST_DATE} and {LAST_DATE}")
    return day


def parse_business_dates(text: str, today: date) -> tuple[date, date]:
    """The first and the last date of `2026-11-20`, `2026-11-18..2026-11-20` or `2026-11-18..`, which ends yesterday.

    Raises ValueError with a full sentence.
    """
    begin, dots, end = text.strip().partition("..")
    if dots and not begin:
        raise ValueError(
            f"{_shown(text)} has no first date; write 2026-11-18..2026-11-20, or 2026-11-18.. up to yesterday"
        )
    first = parse_business_date(begin)
    yesterday = today - _DAY
    if dots and not end and first > yesterday:
        raise ValueError(
            f"{_shown(text)} would end yesterday, {yesterday}, before it begins; write {first} for that date alone"
        )
    last = first if not dots else parse_business_date(end) if end else yesterday
    if last < first:
        raise ValueError(f"{_shown(text)} ends before it begins; write {last}..{first}")
    count = (last - first).days + 1
    if count > MOST_DATES:
        raise ValueError(f"{_shown(text)} has {count:,} dates; write a range of at most {MOST_DATES:,}")
    return first, last


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}...")
