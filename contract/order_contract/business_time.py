"""Business time: the marketplace's clock, Asia/Jakarta.

Jakarta has stood at UTC+07:00 without daylight saving since 1964, and events older than 1970 are refused,
so a fixed offset is exact, needs no time zone database, and converts several times faster than `zoneinfo`.
"""

from datetime import UTC, date, datetime, timedelta, timezone

_UTC_OFFSET_HOURS = 7
_UTC_OFFSET = timedelta(hours=_UTC_OFFSET_HOURS)
_BEFORE_TIME = frozenset("T ")
BUSINESS_ZONE = timezone(_UTC_OFFSET, "WIB")


def business_date(moment: datetime) -> date:
    """The date in Asia/Jakarta of an aware `moment`: the date that marts, loads and partitions mean."""
    return moment.astimezone(BUSINESS_ZONE).date()


def business_hour(moment: datetime) -> int:
    """The hour 0-23 in Asia/Jakarta of an aware `moment`."""
    if moment.tzinfo is UTC:  # what events hold, and on the way of every decision
        return (moment.hour + _UTC_OFFSET_HOURS) % 24
    return moment.astimezone(BUSINESS_ZONE).hour


def parse_moment(text: str) -> datetime:
    """An ISO 8601 date with a time of day as a datetime in UTC; without an offset it is business time.

    UTC, as Postgres gives it back: what is made of a decoded and of a stored event is the same to the byte.
    A bare date is refused: midnight made up for it would fall into the critical hours.
    Raises ValueError, in words, when the text is not such a moment or lies outside 1970-9998.
    """
    moment = datetime.fromisoformat(text)
    # The second: basic form, 20261122T101500.
    if text[10:11] not in _BEFORE_TIME and text[8:9] != "T":
        raise ValueError("has no time of day after 'T' or a space")
    if not is_in_range(moment):
        raise ValueError("lies outside the years 1970 to 9998")
    return to_utc(moment)


def is_in_range(moment: datetime) -> bool:
    """Whether it lies in the years that events may be of: every later conversion of those has an answer."""
    return 1970 <= moment.year <= 9998


def to_utc(moment: datetime) -> datetime:
    """The moment in UTC; without an offset it is business time."""
    if moment.tzinfo is None:
        return (moment - _UTC_OFFSET).replace(tzinfo=UTC)
    return moment.astimezone(UTC)
