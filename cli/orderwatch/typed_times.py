"""Times as people type them in options: so long ago, or a date and time."""

import re
from datetime import UTC, datetime, timedelta

from order_contract.business_time import parse_typed_time
from order_platform.command_line.errors import UsageError

_DURATION = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_time_option(text: str | None, option: str) -> str | None:
    """The time of an option, for the API; None when it is not given. Raises UsageError."""
    if text is None:
        return None
    ago = _DURATION.fullmatch(text)
    if ago is not None:
        try:
            moment = datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
            return parse_typed_time(moment.isoformat()).isoformat()
        except (ValueError, OverflowError):
            raise UsageError(f"{option} {text!r} is too long ago", "Write 30m, 2h or 7d, or a date.") from None
    try:
        return parse_typed_time(text).isoformat()
    except ValueError as error:
        raise UsageError(f"{option}: {error}", "Or write how long ago: 30m, 2h or 7d.") from None
