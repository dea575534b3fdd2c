"""Business time: the marketplace's clock, Asia/Jakarta.

Jakarta has been at UTC+07:00 without daylight saving since 1964, and events older than 1970 are rejected,
so a fixed offset is exact, needs no time zone database, and converts several times faster than `zoneinfo`.
"""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final

FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 9998
"""The years that events may have, in which every later conversion succeeds."""

_UTC_OFFSET_HOURS = 7
_UTC_OFFSET = timedelta(hours=_UTC_OFFSET_HOURS)
BUSINESS_ZONE = timezone(_UTC_OFFSET, "WIB")

# The usual spelling, which all versions of Python parse alike.
_USUAL_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-5][0-9])?"
).fullmatch
_MOMENT = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}|[0-9]{4}-W[0-9]{2}-[0-9]|[0-9]{4}W[0-9]{3})[Tt ]"
    r"(?P<time>(?P<hour>[0-9]{2})(?::?(?P<minute>[0-9]{2})(?::?(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]+))?)?)?)"
    r" ?(?:(?P<zulu>[Zz])|(?P<sign>[+-])(?P<offset_hour>[0-9]{2})(?::?(?P<offset_minute>[0-9]{2}))?)?"
)


def business_date(moment: datetime) -> date:
    """The date in Asia/Jakarta of an aware `moment`: the date of marts, loads and partitions."""
    if moment.tzinfo is UTC:  # as in events
        return (moment + _UTC_OFFSET).date()
    return moment.astimezone(BUSINESS_ZONE).date()


def business_date_start(day: date) -> datetime:
    """The first moment of a business date, in UTC."""
    return to_utc(datetime(day.year, day.month, day.day))  # noqa: DTZ001  (business time)


def business_hour(moment: datetime) -> int:
    """The hour 0-23 in Asia/Jakarta of an aware `moment`."""
    if moment.tzinfo is UTC:  # as in events: the fast path of every decision
        return (moment.hour + _UTC_OFFSET_HOURS) % 24
    return moment.astimezone(BUSINESS_ZONE).hour


def business_text(moment: datetime, timespec: str = "seconds") -> str:
    """Format a moment in business time with its zone: `2026-11-22 10:15:00 WIB`.

    One without an offset is business time already, as a business-time column of the warehouse is: what the machine's
    own zone is changes nothing. `timespec` is as in `datetime.isoformat`.
    """
    local = (
        moment.replace(tzinfo=None) if moment.tzinfo is None else moment.astimezone(BUSINESS_ZONE).replace(tzinfo=None)
    )
    return f"{local.isoformat(' ', timespec)} {BUSINESS_ZONE}"


def parse_typed_time(text: str) -> datetime:
    """A date, or a date with a time of day, as typed, converted to UTC; without an offset it is business time.

    A bare date is its first moment. Raises ValueError with a full sentence.
    """
    try:
        moment = datetime.fromisoformat(text)
        if is_in_range(moment):
            return to_utc(moment)
    except ValueError:
        raise ValueError(
            f"{text[:60]!r} is not a date or time; write 2026-11-22 or 2026-11-22T10:15, which are business time "
            f"({BUSINESS_ZONE}), or 2026-11-22T10:15:00+07:00"
        ) from None
    raise ValueError(f"{text[:60]!r} lies outside the years 1970 to 9998")


def parse_moment(text: str) -> datetime:
    """An ISO 8601 date with a time of day as a datetime in UTC; without an offset it is business time.

    Parsed by a regular expression: Python's parser differs between versions and reads `10:15.5` as half a second.
    Digits beyond microseconds are cut off; 24:00 is the next midnight; the leap second 23:59:60 UTC is the second
    after it. A bare date is rejected: midnight, if assumed, would be in the critical hours.
    UTC, as Postgres returns it: a decoded and a stored event serialise to the same bytes.
    Raises ValueError with a message when the text is not such a moment or lies outside 1970-9998.
    """
    if _USUAL_MOMENT(text) is not None:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            pass  # parsed below, which also explains what is wrong
        else:
            if is_in_range(moment):
                return to_utc(moment)
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError("is not a date and time in ISO 8601")
    try:
        day = date.fromisoformat(match["date"])
    except ValueError:
        raise ValueError(f"{match['date']} is not a day of the calendar") from None
    hour, minute, second = (int(match[part] or 0) for part in ("hour", "minute", "second"))
    microsecond = int((match["fraction"] or "")[:6].ljust(6, "0"))
    midnight_after = hour == 24 and minute == second == microsecond == 0
    leap = second == 60
    if (hour > 23 and not midnight_after) or minute > 59 or second > 60:
        raise ValueError(f"{match['time']} is not a time of day")
    moment = datetime(  # noqa: DTZ001  (without an offset it is business time)
        day.year, day.month, day.day, hour % 24, minute, 59 if leap else second, microsecond
    )
    moment = moment.replace(tzinfo=_offset(match)) + timedelta(days=midnight_after)
    if not is_in_range(moment):
        raise ValueError("lies outside the years 1970 to 9998")
    moment = to_utc(moment)
    if leap:
        if (moment.hour, moment.minute) != (23, 59):
            raise ValueError(f"{match['time']} is not a time of day: a leap second is at 23:59:60 UTC")
        moment += timedelta(seconds=1)
    return moment


def _offset(match: re.Match[str]) -> timezone | None:
    if match["sign"] is None:
        return UTC if match["zulu"] else None
    hours, minutes = int(match["offset_hour"]), int(match["offset_minute"] or 0)
    if hours > 23 or minutes > 59:
        raise ValueError("its offset is not between -23:59 and +23:59")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if match["sign"] == "-" else offset)


def is_in_range(moment: datetime) -> bool:
    """Whether the moment is in the years that events may have."""
    return FIRST_YEAR <= moment.year <= LAST_YEAR


def to_utc(moment: datetime) -> datetime:
    """The moment in UTC; without an offset it is business time."""
    if moment.tzinfo is None:
        return (moment - _UTC_OFFSET).replace(tzinfo=UTC)
    return moment.astimezone(UTC)
