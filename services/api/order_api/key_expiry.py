"""When a key expires, as it is typed."""

import re
from datetime import UTC, datetime, timedelta

from order_contract.business_time import BUSINESS_ZONE

_FROM_NOW = re.compile(r"([0-9]{1,5})([hd])")
_UNITS = {"h": "hours", "d": "days"}


def parse_expiry(text: str, now: datetime) -> datetime:
    """`90d` or `12h` from now, or a date and time; without an offset in business time. Raises ValueError."""
    if match := _FROM_NOW.fullmatch(text):
        return now + timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=BUSINESS_ZONE)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"--expires {text!r} is not a time: write 90d, 12h, 2027-01-31 or 2027-01-31T12:00") from None
