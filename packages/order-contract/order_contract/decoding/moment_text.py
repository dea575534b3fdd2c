"""Error messages for a text or number that is not a valid moment, with what to write instead."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from order_contract.business_time import BUSINESS_ZONE, is_in_range, parse_moment

EXAMPLE = "2026-11-22T10:15:00+07:00"

_EPOCH_NUMBER = re.compile(r"-?[0-9]{9,20}(?:\.[0-9]{1,9})?")
# The number of digits before the point of a present-day moment, and how many of the unit make a second.
_EPOCH_UNITS = {
    10: ("seconds", 1),
    13: ("milliseconds", 10**3),
    16: ("microseconds", 10**6),
    19: ("nanoseconds", 10**9),
}
_DAY_FIRST = re.compile(
    r"([0-9]{1,2})[/. -]([0-9]{1,2})[/. -]([0-9]{4})(?:[T ,]+([0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?))?.*"
)
_SLASHES = re.compile(r"([0-9]{4})[/.]([0-9]{1,2})[/.]([0-9]{1,2})\b.*")
_BARE_DATE = re.compile(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}")
_ZONE_NAME = re.compile(r"(.{16,32}?) ?(?:\[?[A-Za-z]+/[A-Za-z_]+\]?|[A-Z]{2,5})")
_MAX_LENGTH = 64


def describe_invalid_moment(value: object) -> str:
    """Why `value` is not a moment, with what to write instead where that can be known."""
    text = value if isinstance(value, str) else str(value) if type(value) in {int, float} else ""
    if not text or len(text) > _MAX_LENGTH:
        return f"write a form like {EXAMPLE}"
    return _epoch(text) or _day_first(text) or _year_first(text) or _zone_name(text) or _mail(text) or _generic(text)


def _epoch(text: str) -> str | None:
    if _EPOCH_NUMBER.fullmatch(text) is None:
        return None
    unit, scale = _EPOCH_UNITS.get(len(text.split(".", maxsplit=1)[0]), ("seconds or milliseconds", 0))
    example = EXAMPLE
    if scale:
        example = datetime.fromtimestamp(float(text) / scale, BUSINESS_ZONE).isoformat(timespec="seconds")
    return f"it looks like {unit} since 1970; write {example}"


def _day_first(text: str) -> str | None:
    match = _DAY_FIRST.fullmatch(text)
    if match is None:
        return None
    first, second, year = int(match[1]), int(match[2]), int(match[3])
    time = match[4] or "10:15:00"
    spelling = f"{time:0>8}" if time.count(":") == 2 else f"{time:0>5}:00"
    if first <= 12 and second <= 12:
        return f"it looks like day and month before the year; write the year first, as {EXAMPLE}"
    day, month, order = (first, second, "day/month/year") if first > 12 else (second, first, "month/day/year")
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    return f"it looks like {order}; write the year first, as {year}-{month:02d}-{day:02d}T{spelling}+07:00"


def _year_first(text: str) -> str | None:
    if _BARE_DATE.fullmatch(text):
        return f"it has no time of day; write a form like {EXAMPLE}"
    if _SLASHES.fullmatch(text):
        return f"a date is written with '-'; write a form like {EXAMPLE}"
    return None


def _zone_name(text: str) -> str | None:
    match = _ZONE_NAME.fullmatch(text)
    if match is None:
        return None
    try:
        parse_moment(match[1])
    except ValueError:
        return None
    return f"a time zone is written as an offset; write a form like {EXAMPLE}"


def _mail(text: str) -> str | None:
    """`Sun, 22 Nov 2026 10:15:00 +0700`, as mail and HTTP write it."""
    try:
        moment = parsedate_to_datetime(text)
        if not is_in_range(moment):
            return None
        return f"it looks like the form of e-mail headers; write {moment.isoformat()}"
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _generic(text: str) -> str:
    try:
        parse_moment(text)
    except ValueError as error:
        problem = str(error)
    else:  # a bare date is good for an account, and more is not asked here
        problem = ""
    if not problem or problem.startswith("is not a date and time"):
        return f"write a form like {EXAMPLE}"
    return f"{problem}; write a form like {EXAMPLE}"


def describe_far_future(moment: datetime, latest: datetime) -> str:
    """Why a moment beyond `latest` is refused."""
    return (
        f"it lies {_days(moment, latest)} after the latest time accepted for this message, "
        f"{latest.astimezone(UTC).isoformat(timespec='seconds')}; correct the clock or the year"
    )


def _days(moment: datetime, latest: datetime) -> str:
    seconds = (moment - latest).total_seconds()
    return f"{seconds / 86_400:,.0f} days" if seconds >= 2 * 86_400 else f"{seconds / 3600:,.1f} hours"
